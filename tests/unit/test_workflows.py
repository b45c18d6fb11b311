# SPDX-License-Identifier: Apache-2.0
"""The workflows that fleet repositories use: linted, and every script of theirs run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from fleetsched.operations.init import init
from fleetsched.operations.snapshot import write_snapshot
from tests.github_emulator.repository import User
from tests.github_emulator.server import GitHubEmulator, running
from tests.unit.git_repository import git
from tests.unit.workflows import PROJECT, Done, Runner

pytestmark = pytest.mark.served

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
TOKEN = "token-of-the-workflow"
WORKFLOW = User("github-actions[bot]", TOKEN, app=True)
REQUIREMENT = "fleetsched[build,forge]==1.0"


@pytest.mark.parametrize(
    "command",
    [
        ["actionlint", "-no-color", "-shellcheck=", "-pyflakes="],
        ["zizmor", "--offline", "--no-progress", "--persona", "auditor", ".github", "action.yml"],
    ],
)
def test_no_linter_has_anything_against_them(command: list[str]) -> None:
    program = Path(sys.executable).parent / command[0]
    done = subprocess.run([program, *command[1:]], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_they_use_no_action_of_others_and_ask_for_the_least(file: Path) -> None:
    document = yaml.safe_load(file.read_text())
    for job in document["jobs"].values():
        assert "uses" not in job
        assert all("uses" not in step for step in job["steps"])
    assert document["permissions"] in ({}, {"contents": "read"})
    assert "pull_request_target" not in file.read_text()


def test_a_review_gets_no_secret() -> None:
    assert "secrets" not in (PROJECT / ".github" / "workflows" / "fleet-review.yml").read_text()


@pytest.fixture
def github(tmp_path: Path, own_git: None) -> Iterator[GitHubEmulator]:
    """A fleet repository on an emulated GitHub, with a pull request that binds another policy."""
    served = tmp_path / "served" / "acme"
    served.mkdir(parents=True)
    git(served, "init", "--bare", "-b", "main", "fleet.git")
    fleet = tmp_path / "fleet"
    init(fleet)
    manifest = fleet / "manifests" / "lab.yaml"
    manifest.write_text(manifest.read_text().replace("    parameters: {slice_us: 5000}", "   "))
    (fleet / "CODEOWNERS").write_text("* @alice\n")
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "first")
    git(fleet, "push", str(served / "fleet.git"), "HEAD:main")
    with running(tmp_path / "served") as github:
        github.repository.users = [WORKFLOW]
        yield github
        assert "\n".join(github.wrong) == ""


def proposed(github: GitHubEmulator, fleet: Path, *files: str) -> str:
    """Open a pull request that changes these files, or a good one; return its tip."""
    manifest = fleet / "manifests" / "lab.yaml"
    manifest.write_text(manifest.read_text().replace("    name: fair\n", "    name: kernel-default\n"))
    for name in files:
        (fleet / name).parent.mkdir(parents=True, exist_ok=True)
        (fleet / name).write_text("x: 1\n")
    git(fleet, "add", "-A")
    git(fleet, "commit", "-m", "proposal")
    git(fleet, "push", str(github.repository.path), "HEAD:refs/heads/topic")
    github.repository.open("bob", "topic", "main", "t", "")
    return git(fleet, "rev-parse", "HEAD")


def review(github: GitHubEmulator, folder: Path, head: str, fork: bool = False) -> list[Done]:
    return Runner(
        folder,
        {
            "github.server_url": f"http://{github.host}",
            "github.repository": "acme/fleet",
            "github.api_url": github.api_url,
            "github.event.pull_request.number": "1",
            "github.event.pull_request.head.sha": head,
            "github.event.pull_request.base.ref": "main",
            "github.event.pull_request.head.repo.full_name != github.repository": str(fork).lower(),
            "github.token": TOKEN,
            "inputs.fleetsched": REQUIREMENT,
            "inputs.gates": "false",
        },
    ).run(PROJECT / ".github" / "workflows" / "fleet-review.yml")


def with_state(github: GitHubEmulator, fleet: Path, tmp_path: Path) -> None:
    write_snapshot(tmp_path / "state.json", {})
    git(fleet, "switch", "--orphan", "state")
    (fleet / "state.json").write_text((tmp_path / "state.json").read_text())
    git(fleet, "add", "state.json")
    git(fleet, "commit", "-m", "state")
    git(fleet, "push", str(github.repository.path), "HEAD:refs/heads/fleetsched/state")


def test_a_good_pull_request_is_told_so_by_one_comment_and_one_check(
    github: GitHubEmulator, tmp_path: Path
) -> None:
    head = proposed(github, tmp_path / "fleet")
    with_state(github, tmp_path / "fleet", tmp_path)
    for number in (1, 2):
        folder = tmp_path / f"runner-{number}"
        folder.mkdir()
        done = review(github, folder, head)
        assert [step.code for step in done] == [0, 0, 0], done
    assert (
        tmp_path / "runner-1" / "temp" / "fleetsched" / "pip.log"
    ).read_text() == f"install --quiet {REQUIREMENT}\n"
    summary = (tmp_path / "runner-1" / "summary.md").read_text()
    assert summary.startswith("## fleetsched review: good")
    assert "| `plan` | good |" in summary
    (comment,) = github.repository.pulls[1].comments
    assert comment["body"].startswith(summary.rstrip()[:200])
    assert [check["conclusion"] for check in github.repository.checks] == ["success", "success"]
    assert TOKEN not in "".join(step.output for step in done)


def test_one_that_edits_workflows_inventory_and_a_policy_is_refused_with_the_reason(
    github: GitHubEmulator, tmp_path: Path
) -> None:
    head = proposed(
        github, tmp_path / "fleet", ".github/workflows/x.yml", "inventory/x.yaml", "policies/fair/x.md"
    )
    done = review(github, tmp_path, head)
    assert [step.code for step in done] == [0, 0, 2]
    (comment,) = github.repository.pulls[1].comments
    for file in (".github/workflows/x.yml", "inventory/x.yaml"):
        assert f'"{file}" is neither in a policy\'s folder, nor a manifest, nor' in comment["body"]
    assert github.repository.checks[0]["conclusion"] == "failure"


def test_a_fork_is_judged_and_nothing_is_written(github: GitHubEmulator, tmp_path: Path) -> None:
    done = review(github, tmp_path, proposed(github, tmp_path / "fleet"), fork=True)
    assert [step.code for step in done] == [0, 0, 0], done
    assert (github.repository.pulls[1].comments, github.repository.checks) == ([], [])
    assert "the review has no plan" in done[0].output


def test_a_branch_that_was_force_pushed_meanwhile_is_not_judged_as_what_it_was(
    github: GitHubEmulator, tmp_path: Path
) -> None:
    fleet = tmp_path / "fleet"
    head = proposed(github, fleet)
    git(fleet, "commit", "--amend", "-m", "forced")
    git(fleet, "push", "--force", str(github.repository.path), "HEAD:refs/heads/topic")
    github.repository.settle()
    (done,) = review(github, tmp_path, head)
    assert done.code == 1
    assert f"the branch was pushed to since: this run was for {head}" in done.output


def test_what_was_merged_is_applied_and_what_hosts_said_is_kept(
    github: GitHubEmulator, tmp_path: Path
) -> None:
    github.repository.users = [User("github-actions[bot]", TOKEN)]
    fleet = tmp_path / "fleet"
    (fleet / "inventory" / "known_hosts").write_text("")
    (fleet / "inventory" / "lab.yaml").write_text(
        "all: {children: {lab: {hosts: {lab-1: {ansible_host: 127.0.0.1, ansible_port: 1}}}}}\n"
    )
    git(fleet, "add", "--force", "-A")
    git(fleet, "commit", "-m", "hosts")
    git(fleet, "push", str(github.repository.path), "HEAD:main")
    values = {
        "github.server_url": f"http://{github.host}",
        "github.repository": "acme/fleet",
        "github.ref_name": "main",
        "github.sha": git(fleet, "rev-parse", "HEAD"),
        "github.token": TOKEN,
        "inputs.fleetsched": REQUIREMENT,
        "inputs.user": "fleetsched",
        "inputs.known-hosts": "inventory/known_hosts",
        "secrets.ssh-key": "not a key",
        "always()": "true",
    }
    done = Runner(tmp_path, values).run(PROJECT / ".github" / "workflows" / "fleet-apply.yml")
    # Nobody listens there: the host is out of reach, which is said, kept, and no success.
    assert [step.code for step in done] == [0, 0, 4, 0], done
    assert not (tmp_path / "temp" / "key").exists()
    kept = github.repository.git("show", "fleetsched/state:state.json")[1]
    assert json.loads(kept)["format"] == "fleetsched-state"
    assert "127.0.0.1" not in kept


def test_the_action_installs_what_it_is_pinned_to(tmp_path: Path) -> None:
    values = {"inputs.extras": "build", "github.action_path": "/actions/fleetsched"}
    (done,) = Runner(tmp_path, values).run(PROJECT / "action.yml")
    assert done.code == 0, done
    assert (tmp_path / "output").read_text() == f"path={tmp_path}/temp/fleetsched/bin/fleetsched\n"
    log = (tmp_path / "temp" / "fleetsched" / "pip.log").read_text()
    assert log == "install --quiet /actions/fleetsched[build]\n"
