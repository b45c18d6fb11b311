# SPDX-License-Identifier: Apache-2.0
"""The gates that need no kernel, on policies that are wrong in one way each."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.gates.compile import compile_variant
from fleetsched.gates.inspect import inspect
from fleetsched.gates.schema import schema
from fleetsched.model.gate import GateFinding

MANIFEST = """\
apiVersion: fleetsched/v1
kind: Policy
metadata: {name: mine}
spec:
  summary: for tests
  timeout: TIMEOUT
  parameters: PARAMETERS
  variants: VARIANTS
  provenance: {origin: test}
"""
SOURCE = """\
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

void BPF_STRUCT_OPS(mine_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(mine, .exit = (void *)mine_exit);
"""


def judged(
    tmp_path: Path,
    *,
    source: str = SOURCE,
    timeout: str = "5s",
    parameters: str = "{}",
    variants: str = "{default: {}}",
    end: str = "",
) -> list[GateFinding]:
    """What the first gate that finds something finds."""
    folder = tmp_path / "mine"
    folder.mkdir()
    text = (
        MANIFEST.replace("TIMEOUT", timeout).replace("PARAMETERS", parameters).replace("VARIANTS", variants)
    )
    (folder / "policy.yaml").write_text(text)
    (folder / f"mine.bpf.c{end}").write_text(source)
    policy, outcome = schema(folder)
    if policy is None or outcome.findings:
        return list(outcome.findings)
    built, outcome = compile_variant(policy, "default", cache=tmp_path / "cache")
    if built is None:
        return list(outcome.findings)
    return list(inspect(built.image, policy)[1].findings)


def test_a_sound_policy_is_left_alone(tmp_path: Path) -> None:
    assert judged(tmp_path) == []


@pytest.mark.parametrize(
    ("what", "code", "place", "message"),
    [
        ({"timeout": "never"}, "invalid-manifest", "policies/mine/policy.yaml:6:12", "a duration"),
        (
            {"source": SOURCE.replace("\tUEI", "\treturn nothing;\n\tUEI")},
            "compile-error",
            "policies/mine/mine.bpf.c:7:9",
            "use of undeclared identifier 'nothing'",
        ),
        (
            {"source": SOURCE.replace("<fleetsched/policy.bpf.h>", '"/etc/passwd"')},
            "refused-source",
            "policies/mine/mine.bpf.c:1:1",
            '#include "/etc/passwd"',
        ),
        (
            {"source": SOURCE + "{% if %}", "end": ".j2"},
            "compile-error",
            "policies/mine/mine.bpf.c.j2:11",
            "Expected an expression",
        ),
        ({"timeout": "4s"}, "time-out-differs", "", "its timeout_ms is 5000, policy.yaml says 4000"),
        (
            {"parameters": "{slice_us: {type: u64, default: 1, min: 0, max: 2}}"},
            "parameter-differs",
            "",
            "parameter slice_us is no `const volatile` variable",
        ),
        ({"source": SOURCE.replace("mine, .exit", "other, .exit")}, "wrong-name", "", "named 'other'"),
        (
            {"source": SOURCE.replace("UEI_DEFINE(uei);", "").replace("UEI_RECORD(uei, info);", "")},
            "no-exit-record",
            "",
            "it has no exit record",
        ),
    ],
)
def test_what_is_wrong_has_a_code_a_place_and_a_remedy(
    tmp_path: Path, what: dict[str, str], code: str, place: str, message: str
) -> None:
    first, *_ = judged(tmp_path, **what)
    assert first.code == code
    assert first.place.startswith(place) if place else first.place == ""
    assert message in first.message
    assert first.remedy
