# SPDX-License-Identifier: Apache-2.0
"""`bench` as a shell sees it, as far as it needs no machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleetsched.bench.interface import EndedError
from fleetsched.cli.main import main
from fleetsched.errors import HelperError
from fleetsched.model.evidence import Arm
from fleetsched.operations import bench as operation
from tests.unit.experiments import evidence


def test_workloads_are_listed_without_a_fleet_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["bench", "--list", "--json"]) == 0

    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"message-wakeups", "long-tail-batch"} <= {record["workload"] for record in records}


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        ([], 64, "a POLICY and --workload are needed"),
        (["fair", "-w", "hackbenhc"], 1, "no workload 'hackbenhc'; did you mean \"hackbench\"?"),
        (["fiar", "-w", "hackbench"], 1, "no policy 'fiar'; did you mean \"fair\"?"),
        (["fair", "-w", "hackbench", "-p", "slice_us"], 64, "--parameters 'slice_us': expected NAME=VALUE"),
        (["fair", "-w", "hackbench", "-p", "slise_us=1"], 1, "policy fair has no parameter 'slise_us'"),
        (["fair", "-w", "hackbench", "-p", "slice_us=no"], 1, "policy fair: slice_us is "),
        (["fair", "-w", "hackbench", "--variant", "x"], 1, "policy fair has no variant 'x'"),
        (["fair", "-w", "hackbench", "--budget", "soon"], 64, "--budget: expected a duration such as 90s"),
        (["fair", "-w", "hackbench", "--guardrail", "m=a"], 64, "--guardrail: expected a percentage"),
        (["fair", "-w", "hackbench", "--seconds", "5"], 64, "a POLICY and --workload are needed"),
        (["fair", "--seconds", "5"], 64, "--seconds is about a real host"),
        (["fair", "-w", "hackbench", "--on", "x", "--cpus", "2"], 64, "--kernel, --topology and --cpus are"),
    ],
)
def test_what_cannot_be_measured_is_said_before_a_machine_starts(
    arguments: list[str], code: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == code
    assert expected in capsys.readouterr().err


def test_an_ejected_policy_is_judged_no(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ejected(*_: object) -> None:
        raise EndedError(
            HelperError("fair@f1 did not stay: stall", code="ejected"), Arm("candidate", "fair"), 2
        )

    monkeypatch.setattr(operation, "bench", ejected)

    assert main(["bench", "fair", "-w", "hackbench"]) == 2
    assert capsys.readouterr().err == (
        "the experiment ended: candidate fair: fair@f1 did not stay: stall (in block 2)\n"
    )


def test_evidence_is_shown_with_its_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(operation, "bench", lambda *_: evidence())

    assert main(["bench", "fair", "-w", "hackbench"]) == 0

    out = capsys.readouterr().out
    assert "beware      emulated" in out
    assert "unmeasured  energy, caches, numa" in out
