# SPDX-License-Identifier: Apache-2.0
"""A scripted model writes a policy, which is compiled, verified, stressed, measured and proposed for real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from fleetsched.agent.scripted.script import read_script
from fleetsched.agent.scripted.server import ScriptedServer
from fleetsched.agent.transcript import FILE
from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from tests.real.conftest import PROJECT
from tests.real.test_propose import fleet
from tests.unit.git_repository import git

__all__ = ["fleet"]

pytestmark = [pytest.mark.lab, pytest.mark.model]

SCRIPT = PROJECT / "tests" / "data" / "scripts" / "writes-a-policy.yaml"
KEY = "no-key-but-the-servers-own"
BRANCH = "origin/fleetsched/proposal/web-latency"


@pytest.mark.timeout(3600)
def test_a_written_policy_fails_twice_passes_is_measured_and_proposed(
    fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = read_script(SCRIPT)
    (tmp_path / "config.yaml").write_text(f"agent: {{backend: anthropic, model: {script.model}}}\n")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with ScriptedServer(script) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        code = main(["propose", "--goal", "web-latency", "--offline", "-C", str(fleet)])
    said = capsys.readouterr()
    assert server.mismatches == []
    assert server.done
    assert code == ExitCode.OK, said
    assert "How it was found: backend anthropic, the language model claude-sonnet-5-5" in said.out

    (run,) = (tmp_path / "runs").iterdir()
    assert KEY not in (run / FILE).read_text(encoding="utf-8")
    search = json.loads((run / "evidence" / "c3-1.json").read_text(encoding="utf-8"))
    final = json.loads((run / "final-interactive-under-hogs.json").read_text(encoding="utf-8"))
    searched, compared = search["arms"][-1], final["arms"][-1]
    assert (searched["policy"], searched["digest"]) == ("short-first", compared["digest"])
    assert search["seed"] != final["seed"]
    assert final["environment"]["kernel_release"].startswith("6.18.")
    assert {each["metric"]: each["finding"] for each in final["comparisons"]}[
        "wakeup_latency_p99_us"
    ] == "better"

    git(fleet, "fetch", "origin")
    compiling, verifying, measured = yaml.safe_load(git(fleet, "show", f"{BRANCH}:lessons/web-latency.yaml"))
    assert compiling["why"].startswith("compile: compile-error: no member named 'rans_ns'")
    assert verifying["why"].startswith("verify: verifier: ")
    assert (measured["outcome"], measured["digest"]) == ("better", compared["digest"][:12])
    git(fleet, "switch", "--detach", BRANCH)
    assert main(["review", "check", "-C", str(fleet)]) == ExitCode.OK, capsys.readouterr()
