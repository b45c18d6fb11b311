# SPDX-License-Identifier: Apache-2.0
"""The gates on a real machine, as a user runs them. What they stop is in test_bad_policies.py."""

from __future__ import annotations

import json

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from tests.real.conftest import PROJECT

pytestmark = pytest.mark.lab


@pytest.mark.timeout(1800)
def test_a_policy_of_the_catalogue_passes_up_to_stress(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "fair", "--no-cache", "--json", "-C", str(PROJECT)]) == ExitCode.OK
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert [(each["gate"], each["verdict"]) for each in report["results"]] == [
        (gate, "passed") for gate in ("schema", "compile", "inspect", "verify", "attach", "stress")
    ]
    stress = report["results"][-1]
    assert "part end" in stress["log"]
    assert "timeout_ms lowered to 2000" in stress["log"]


@pytest.mark.timeout(1800)
def test_a_policy_is_measured_where_a_workload_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--benchmark", "interactive-under-hogs", "--repeats", "1", "-p", "slice_us=3000"]
    assert main(["verify", "fair", *asked, "--no-cache", "--json", "-C", str(PROJECT)]) == ExitCode.OK
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    benchmark = report["results"][-1]
    assert (benchmark["gate"], benchmark["verdict"]) == ("benchmark", "passed")
    assert benchmark["note"].startswith("not better than the kernel's own scheduler: request_latency_")
    guarded = [each["metric"] for each in benchmark["figures"] if "guardrail" in each]
    assert guarded == ["request_latency_p50_us", "request_latency_p99_us"]
    assert "slice_us 3000" in benchmark["log"]
