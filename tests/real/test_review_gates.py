# SPDX-License-Identifier: Apache-2.0
"""A pull request with a changed policy, judged with the gates on real machines, and told on the forge."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from fleetsched.operations.init import init
from tests.github_emulator.repository import PullRequest, User
from tests.github_emulator.server import GitHubEmulator, running
from tests.unit.git_repository import git

# Two courses of the gates, of policies that nobody has judged before: minutes, so not part of every run.
pytestmark = [pytest.mark.lab, pytest.mark.matrix]

APP = User("fleet[bot]", "token-of-the-app", app=True)
SOURCE = "policies/fair/fair.bpf.c"
DEBT = "(100 * NSEC_PER_MSEC)"
CHECKED = "\tif (ctx)\n\t\tscx_bpf_task_set_dsq_vtime"
CONFIG = """\
trust: {{remote: origin, branch: main}}
forge: {{kind: github, repository: acme/fleet, url: "{url}", token: {{env: FORGE_TOKEN}}}}
"""


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubEmulator]:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("FORGE_TOKEN", APP.token)
    (tmp_path / "served" / "acme").mkdir(parents=True)
    git(tmp_path / "served" / "acme", "init", "-q", "--bare", "-b", "main", "fleet.git")
    with running(tmp_path / "served") as github:
        github.repository.users = [APP]
        (tmp_path / "config.yaml").touch(mode=0o600)
        (tmp_path / "config.yaml").write_text(CONFIG.format(url=github.api_url))
        yield github
        assert "\n".join(github.wrong) == ""


@pytest.fixture
def folder(tmp_path: Path, github: GitHubEmulator) -> Path:
    """A fleet repository whose branch `tune` is to be a pull request."""
    folder = tmp_path / "fleet"
    init(folder)
    git(folder, "remote", "add", "origin", github.git_url(APP))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    git(folder, "push", "-q", "origin", "HEAD:main")
    git(folder, "checkout", "-qb", "tune")
    return folder


def change_policy(folder: Path, *replaced: tuple[str, str]) -> None:
    """Change the source, lock it and push it; no verdict of before is about these bytes."""
    text = (folder / SOURCE).read_text()
    own = (DEBT, f"(100 * NSEC_PER_MSEC + {secrets.randbelow(10**6)})")
    for old, new in (own, *replaced):
        assert old in text
        text = text.replace(old, new)
    (folder / SOURCE).write_text(text)
    assert main(["lock", "fair", "-C", str(folder)]) == ExitCode.OK
    git(folder, "commit", "-qam", "tune")
    git(folder, "push", "-q", "--force", "origin", "HEAD:tune")


def judge(folder: Path, capsys: pytest.CaptureFixture[str], expect: ExitCode) -> dict[str, str]:
    """Run the command; return what each check found."""
    capsys.readouterr()
    config = folder.parent / "config.yaml"
    options = ["--gates", "--report", "--json", "--config", str(config), "-C", str(folder)]
    assert main(["review", "check", *options]) == expect
    said = capsys.readouterr()
    assert "reported on GitHub pull request 1" in said.err
    return {check["name"]: check["finding"] for check in json.loads(said.out)["checks"]}


def told(pull: PullRequest) -> str:
    (comment,) = pull.comments
    return str(comment["body"])


@pytest.mark.timeout(1800)
def test_a_changed_policy_meets_the_kernel_before_anybody_reads_it(
    folder: Path, github: GitHubEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    change_policy(folder, (CHECKED, CHECKED.replace("if (ctx)", "if (true)")))
    pull = github.repository.open("alice", "tune", "main", "Tune fair", "")

    found = judge(folder, capsys, ExitCode.CHANGES)["gates fair"]
    assert re.match(r"verify failed on Linux 6\.", found)
    assert "NOT good: gates fair" in told(pull)
    assert f"{SOURCE.rpartition('/')[2]}:" in told(pull)

    git(folder, "reset", "-q", "--hard", "origin/main")
    change_policy(folder)
    github.repository.settle()
    found = judge(folder, capsys, ExitCode.OK)["gates fair"]
    assert re.fullmatch(r"[0-9a-f]{12} passed \d+ gates on Linux [0-9., ]+", found)
    assert "fleetsched review: good" in told(pull)
    checks = github.repository.checks
    assert [(check["conclusion"], check["head_sha"] == pull.head) for check in checks] == [
        ("failure", False),
        ("success", True),
    ]
