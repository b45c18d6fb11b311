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
        (
            BLOCK.replace("    rollout", "    policy: {name: old}  # é\n    rollout"),
            BLOCK.replace("    rollout", "    policy: {name: fair}  # é\n    rollout"),
        ),
        (
            BLOCK.replace("    rollout", "    policy: {name: old, parameters: {a: 1}}\n    rollout"),
            BLOCK.replace("    rollout", "    policy: {name: fair}\n    rollout"),
        ),
        (
            BLOCK.replace("    rollout", "    policy:\n      name: 'old' # why\n    rollout"),
            BLOCK.replace("    rollout", "    policy:\n      name: fair # why\n    rollout"),
        ),
        (
            BLOCK + "    policy:\n      parameters:\n        a: 1\n      name: old # why\n\n  # more\n",
            BLOCK + "    policy:\n      name: fair # why\n\n  # more\n",
        ),
    ],
)
def test_only_the_policy_is_written(before: str, after: str) -> None:
    assert bind(before.encode(), "a.yaml", "web", "fair").decode() == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kind: WorkloadGoal\nmetadata: {name: other}\nspec: {hostGroup: web}\n",
            "a.yaml: has no goal web that can be read",
        ),
        (
            BLOCK.replace("rollout: careful", "policy: &p {name: x}") + "    description: *p\n",
            "a.yaml:5:5: the policy cannot be written into this file\n"
            "  write it by hand: policy: {name: fair}",
        ),
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


PIECES = st.sampled_from(["", "# comment\n", "\n", "  # indented, é\n"])
BOUND = st.sampled_from(["{name: old}", "{ name: 'old' , variant: v }", "{name: old, parameters: {a: 1}}"])


@st.composite
def manifests(draw: st.DrawFn) -> tuple[str, str]:
    """A file with three goals, and the text of the policy that goal web has already; empty = none."""
    documents = []
    old = draw(st.one_of(st.just(""), BOUND))
    for name in draw(st.permutations(["web", "db", "batch"])):
        indent = " " * draw(st.integers(1, 6))
        fields = ["hostGroup: web", "rollout: careful", "description: 'a: b # é'"]
        fields += [f"policy: {old}"] if old and name == "web" else []
        fields = draw(st.permutations(fields))
        if draw(st.booleans()):
            spec = f"spec: {{{', '.join(fields)}}}\n"
        else:
            spec = "spec:\n" + "".join(draw(PIECES) + f"{indent}{field}\n" for field in fields)
        documents.append(draw(PIECES) + f"kind: WorkloadGoal\nmetadata: {{name: {name}}}\n{spec}")
    text = "---\n".join(documents)
    return (text.replace("\n", "\r\n") if draw(st.booleans()) else text), old


def without_policy(text: str) -> str:
    text = text.replace("policy: {name: fair}, ", "")
    return "".join(line for line in text.splitlines(keepends=True) if line.strip() != "policy: {name: fair}")


@given(manifests())
def test_every_other_byte_stays(manifest: tuple[str, str]) -> None:
    text, old = manifest
    bound = bind(text.encode(), "a.yaml", "web", "fair").decode()
    if old:
        new = "{ name: fair }" if "{ name" in bound else "{name: fair}"
        assert bound == text.replace(old, new)
    else:
        assert without_policy(bound) == text
    goals = {
        each.value["metadata"]["name"]: each.value["spec"]
        for each in read_bytes(bound.encode(), "a").documents
    }
    assert [(name, spec["policy"]) for name, spec in goals.items() if "policy" in spec] == [
        ("web", {"name": "fair"})
    ]
