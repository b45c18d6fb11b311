# SPDX-License-Identifier: Apache-2.0
"""A policy is written into a manifest without touching anything else of the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.documents.reader import read_bytes
from fleetsched.errors import InputError
from fleetsched.fleetrepo.binding import bind

BLOCK = """\
# a comment
kind: WorkloadGoal
metadata: {name: web}
spec:   # what
    hostGroup: "web"   # ours

    rollout: careful
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BLOCK, BLOCK.replace("    rollout", "    policy: {name: fair}\n    rollout")),
        (
            "kind: WorkloadGoal\r\nmetadata: {name: web}\r\nspec:\r\n  hostGroup: web\r\n",
            "kind: WorkloadGoal\r\nmetadata: {name: web}\r\nspec:\r\n"
            "  policy: {name: fair}\r\n  hostGroup: web\r\n",
        ),
        (
            "kind: WorkloadGoal\nmetadata: {name: web}\nspec: {hostGroup: web}",
            "kind: WorkloadGoal\nmetadata: {name: web}\nspec: {policy: {name: fair}, hostGroup: web}",
        ),
        (
            '{"kind": "WorkloadGoal", "metadata": {"name": "web"}, "spec": {"hostGroup": "web"}}',
            '{"kind": "WorkloadGoal", "metadata": {"name": "web"}, '
            '"spec": {policy: {name: fair}, "hostGroup": "web"}}',
        ),
    ],
)
def test_only_the_policy_is_added(before: str, after: str) -> None:
    assert bind(before.encode(), "a.yaml", "web", "fair").decode() == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kind: WorkloadGoal\nmetadata: {name: other}\nspec: {hostGroup: web}\n",
            "a.yaml: has no goal web that can be read",
        ),
        (BLOCK.replace("rollout: careful", "policy: {name: x}"), "a.yaml: goal web has a policy already"),
        (
            BLOCK.replace("rollout: careful", "policy:"),
            "a.yaml:5:5: the policy cannot be written into this file\n"
            "  write it by hand: policy: {name: fair}",
        ),
        (
            "kind: WorkloadGoal\nmetadata: {name: web}\nspec: &s {hostGroup: web}\n---\nx: 1\ny: [",
            "a.yaml: has no goal web that can be read",
        ),
    ],
)
def test_what_cannot_be_edited_is_said_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        bind(text.encode(), "a.yaml", "web", "fair")
    assert str(caught.value) == message


PIECES = st.sampled_from(["", "# comment\n", "\n", "  # indented\n"])


@st.composite
def manifests(draw: st.DrawFn) -> str:
    documents = []
    for name in draw(st.permutations(["web", "db", "batch"])):
        indent = " " * draw(st.integers(1, 6))
        fields = draw(st.permutations(["hostGroup: web", "rollout: careful", "description: 'a: b # c'"]))
        if draw(st.booleans()):
            spec = f"spec: {{{', '.join(fields)}}}\n"
        else:
            spec = "spec:\n" + "".join(draw(PIECES) + f"{indent}{field}\n" for field in fields)
        documents.append(draw(PIECES) + f"kind: WorkloadGoal\nmetadata: {{name: {name}}}\n{spec}")
    text = "---\n".join(documents)
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


@given(manifests())
def test_every_other_byte_stays(text: str) -> None:
    bound = bind(text.encode(), "a.yaml", "web", "fair").decode()
    taken_out = bound.replace("policy: {name: fair}, ", "")
    taken_out = "".join(
        line for line in taken_out.splitlines(keepends=True) if line.strip() != "policy: {name: fair}"
    )
    assert taken_out == text
    goals = {
        each.value["metadata"]["name"]: each.value["spec"]
        for each in read_bytes(bound.encode(), "a").documents
    }
    assert [name for name, spec in goals.items() if "policy" in spec] == ["web"]
