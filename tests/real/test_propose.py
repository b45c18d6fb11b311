# SPDX-License-Identifier: Apache-2.0
"""A goal is worked on without a language model: gates, search and final comparison on a real kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from fleetsched.operations.init import init
from tests.unit.git_repository import git

pytestmark = [pytest.mark.lab, pytest.mark.model]

MANIFEST = "manifests/lab.yaml"
GOAL = """\
apiVersion: fleetsched/v1
kind: WorkloadGoal
metadata: {name: web-latency}
spec:
  hostGroup: lab
  tasks: {command: nginx}
  objective: {metric: wakeup_latency_p99_us, direction: minimize}
  evaluation: {workloads: [interactive-under-hogs]}
  rollout: lab
"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet repository whose one goal wants short waits, and its bare origin."""
    folder = tmp_path / "fleet"
    init(folder)
    group, _, strategy = (folder / MANIFEST).read_text(encoding="utf-8").split("---\n")
    (folder / MANIFEST).write_text("---\n".join((group, GOAL, strategy)), encoding="utf-8")
    git(tmp_path, "init", "--bare", "-b", "main", "origin.git")
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "first")
    git(folder, "remote", "add", "origin", "../origin.git")
    git(folder, "push", "-u", "origin", "HEAD:main")
    (tmp_path / "config.yaml").write_text("", encoding="utf-8")
    monkeypatch.setenv("FLEETSCHED_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.setattr("fleetsched.cli.running.journals", lambda: tmp_path / "runs")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Alice")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "alice@example.invalid")
    return folder


@pytest.mark.timeout(3600)
def test_a_goal_ends_with_a_proposal_that_was_measured_or_with_reasons(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = ("--budget-wall", "40m", "--budget-candidates", "1")
    code = main(["propose", "--goal", "web-latency", "--offline", *budget, "-C", str(fleet)])
    said = capsys.readouterr()

    assert code in (ExitCode.OK, ExitCode.CHANGES), said
    assert "How it was found: backend catalogue, no language model" in said.out
    (run,) = (tmp_path / "runs").iterdir()
    final = json.loads((run / "final-interactive-under-hogs.json").read_text(encoding="utf-8"))
    search = json.loads((run / "evidence/c1-1.json").read_text(encoding="utf-8"))
    assert final["labels"] == ["emulated", "icount"]
    assert final["seed"] != search["seed"]
    assert final["environment"]["kernel_release"].startswith("6.18.")
    findings = {each["finding"] for each in final["comparisons"] if each["metric"] == "wakeup_latency_p99_us"}
    assert (code == ExitCode.OK) == (findings == {"better"})
    if code == ExitCode.OK:
        git(fleet, "fetch", "origin")
        branch = "origin/fleetsched/proposal/web-latency"
        files = git(fleet, "diff", "--name-only", f"origin/main...{branch}").splitlines()
        policy = final["policy"]
        assert f"policies/{policy}/policy.lock.yaml" in files
        assert [name for name in files if name.startswith(f"policies/{policy}/evidence/")]
        git(fleet, "switch", "--detach", branch)
        assert main(["review", "check", "-C", str(fleet)]) == ExitCode.OK, capsys.readouterr()
