# SPDX-License-Identifier: Apache-2.0
"""`verify` as a shell sees it. The gates here need no machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from fleetsched.model.gate import Gate, GateReport, GateResult, GateVerdict
from fleetsched.operations.verify import exit_code

PROJECT = Path(__file__).resolve().parents[3]
SOUND = str(PROJECT / "tests" / "policies" / "stall")
BROKEN = str(PROJECT / "tests" / "policies" / "does-not-compile")


def test_a_policy_that_passes_is_told_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", SOUND, "--until", "inspect"]) == ExitCode.OK
    heading, *gates, verdict = capsys.readouterr().out.splitlines()
    assert heading.startswith("stall, variant default, object ")
    assert [line.split()[:2] for line in gates] == [
        ["schema", "passed"],
        ["compile", "passed"],
        ["inspect", "passed"],
    ]
    assert verdict == "passed, up to inspect"


def test_judged_no_is_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", BROKEN, "--json"]) == ExitCode.CHANGES
    record = json.loads(capsys.readouterr().out)
    (report,) = record["reports"]
    assert (report["policy"], report["verdict"]) == ("does-not-compile", "failed")
    assert report["results"][-1]["findings"][0]["code"] == "compile-error"


@pytest.mark.parametrize(
    ("kernels", "code"), [(("6.18", "7.2"), ExitCode.OK), (("6.18",), ExitCode.ERROR), ((), ExitCode.OK)]
)
def test_where_no_kernel_has_loaded_it_nothing_is_vouched_for(
    kernels: tuple[str, ...], code: ExitCode
) -> None:
    skipped = GateResult(Gate.VERIFY, GateVerdict.SKIPPED, "6.18.2", log="needs kernel >=7.0, runs 6.18.2")
    passed = [GateResult(gate, GateVerdict.PASSED, "7.2.1") for gate in (Gate.VERIFY, Gate.ATTACH)]
    by_kernel = {"6.18": (skipped,), "7.2": tuple(passed)}
    results = [GateResult(Gate.INSPECT, GateVerdict.PASSED)]
    results += [each for kernel in kernels for each in by_kernel[kernel]]
    assert exit_code([GateReport("mine", "default", "ab" * 32, tuple(results))]) == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fair", "--until", "never"], "--until never: expected one of schema, compile, inspect, verify,"),
        (["fair", "--kernels", "6.18,new"], "--kernels 6.18,new: 'new' is no version"),
        (
            ["fair", "--benchmark", "hackbench", "--until", "attach"],
            "--benchmark: only what has passed stress",
        ),
        (["fair", "--repeats", "3"], "--against, --guardrail and --repeats are about a benchmark"),
        (["fair", "--benchmark", "hackbench", "--guardrail", "m"], "--guardrail 'm': expected NAME=VALUE"),
    ],
)
def test_what_cannot_be_is_a_wrong_command_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["verify", *arguments, "-C", str(PROJECT)]) == ExitCode.USAGE
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fare"], "no policy 'fare'; did you mean \"fair\"?"),
        (["fair", "--benchmark", "hackbenhc"], "no workload 'hackbenhc'; did you mean \"hackbench\"?"),
        (["fair", "--benchmark", "hackbench", "--against", "fare"], "no policy 'fare'"),
        (["fair", "--variant", "larg"], "policy fair has no variant 'larg'"),
        (["fair", "-p", "slise_us=1"], "policy fair has no parameter 'slise_us'; did you mean \"slice_us\"?"),
        (["fair", "-p", "slice_us=1"], "policy fair: slice_us is 250 to 20000, got '1'"),
        (["./nothing"], "nothing is no policy: it has no policy.yaml"),
    ],
)
def test_what_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["verify", *arguments, "-C", str(PROJECT)]) == ExitCode.ERROR
    assert message in capsys.readouterr().err


def test_a_folder_needs_no_fleet_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["verify", SOUND, "--until", "schema"]) == ExitCode.OK
    assert main(["verify", "stall", "--until", "schema"]) == ExitCode.ERROR
    assert "no policy 'stall'" in capsys.readouterr().err


def test_a_policy_of_the_catalogue_needs_none_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["verify", "fair", "--until", "schema"]) == ExitCode.OK
