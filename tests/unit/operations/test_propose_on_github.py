# SPDX-License-Identifier: Apache-2.0
"""From a goal without a policy to a merged pull request, by commands, on an emulated GitHub, and again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from fleetsched.operations.init import init
from tests.github_emulator.repository import User
from tests.github_emulator.server import GitHubEmulator, running
from tests.unit.git_repository import git

pytestmark = pytest.mark.served

BOT, OWNER = User("fleet-bot", "token-of-the-bot"), User("alice", "token-of-alice")
BOUND = re.compile(r"  policy:\n    name: fair\n    parameters: .*\n")
LATENCY = "  objective: {metric: wakeup_latency_p99_us, direction: minimize}\n"
CONFIG = """\
trust: {{remote: origin, branch: main}}
forge: {{kind: github, repository: acme/fleet, url: "{url}", token: {{env: FORGE_TOKEN}}}}
"""


class Fleet:
    """A fleet repository whose goal wants latency and has no policy."""

    def __init__(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.folder = folder
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def run(self, *arguments: str, user: User = BOT, code: ExitCode = ExitCode.OK) -> str:
        """Run a command with a user's token; return what it printed."""
        self.monkeypatch.setenv("FORGE_TOKEN", user.token)
        assert main(arguments) == code, self.capsys.readouterr()
        said = self.capsys.readouterr()
        return said.out + said.err


@pytest.fixture
def github(tmp_path: Path, own_git: None) -> Iterator[GitHubEmulator]:
    (tmp_path / "served" / "acme").mkdir(parents=True)
    git(tmp_path / "served" / "acme", "init", "--bare", "-b", "main", "fleet.git")
    with running(tmp_path / "served") as github:
        github.repository.users = [BOT, OWNER]
        yield github
        assert "\n".join(github.wrong) == ""


@pytest.fixture
def fleet(
    github: GitHubEmulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Fleet:
    folder = tmp_path / "fleet"
    init(folder)
    manifest = folder / "manifests" / "lab.yaml"
    text, found = BOUND.subn(LATENCY, manifest.read_text())
    assert found == 1
    manifest.write_text(text)
    (folder / "CODEOWNERS").write_text("* @alice\n")
    git(folder, "remote", "add", "origin", github.git_url(BOT))
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "first")
    git(folder, "push", "-u", "origin", "HEAD:main")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.test")
    (tmp_path / "config.yaml").write_text(CONFIG.format(url=github.api_url))
    (tmp_path / "config.yaml").chmod(0o600)
    monkeypatch.setenv("FLEETSCHED_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.chdir(folder)
    return Fleet(folder, capsys, monkeypatch)


def test_a_goal_gets_its_policy_by_a_pull_request_and_a_second_run_changes_nothing(
    fleet: Fleet, github: GitHubEmulator
) -> None:
    pulls = github.repository.pulls
    assert "proposal for goal lab-fairness opened" in fleet.run("propose", "--offline", "--unmeasured")
    first = pulls[1].head
    assert "| they would run | `interactive@" in pulls[1].body
    assert "no policy is set" in pulls[1].body
    assert "proposal for goal lab-fairness unchanged" in fleet.run("propose", "--offline", "--unmeasured")
    assert (len(pulls), pulls[1].head, pulls[1].comments) == (1, first, [])

    manifest = fleet.folder / "manifests" / "lab.yaml"
    manifest.write_text(manifest.read_text().replace("p99_us", "p50_us"))
    git(fleet.folder, "commit", "-am", "another objective")
    git(fleet.folder, "push", "origin", "HEAD:main")
    assert "proposal for goal lab-fairness updated" in fleet.run("propose", "--offline", "--unmeasured")
    assert len(pulls) == 1
    assert pulls[1].head != first
    assert f'"made":"{pulls[1].head}"' in pulls[1].body

    said = fleet.run("review", "merge", "lab-fairness", code=ExitCode.REFUSED)
    assert "is not approved:" in said
    assert "waits for alice" in said
    said = fleet.run("review", "approve", "lab-fairness", code=ExitCode.REFUSED)
    assert "fleet-bot opened it, and cannot approve it" in said
    assert "proposal for goal lab-fairness approved at" in fleet.run(
        "review", "approve", "lab-fairness", user=OWNER
    )
    assert "approved  " in fleet.run("review", "show", "lab-fairness", "--diff")
    assert "merged into main as" in fleet.run("review", "merge", "lab-fairness")
    assert "name: interactive" in manifest.read_text()
    assert "every goal of the trusted branch has a policy" in fleet.run(
        "propose", "--offline", "--unmeasured"
    )
    assert "lab-fairness  merged" in fleet.run("review", "list")


def test_closed_means_that_the_same_is_not_proposed_again(fleet: Fleet, github: GitHubEmulator) -> None:
    fleet.run("propose", "--offline", "--unmeasured")
    fleet.run("review", "close", "lab-fairness", "--reason", "not now")
    said = fleet.run("propose", "--offline", "--unmeasured", code=ExitCode.CHANGES)
    assert "the same was proposed before and closed" in said
    assert len(github.repository.pulls) == 1
    assert "opened" in fleet.run("propose", "--offline", "--unmeasured", "--repropose")
    assert [pull.state for pull in github.repository.pulls.values()] == ["closed", "open"]


def test_limits_are_counted_on_the_forge(fleet: Fleet, github: GitHubEmulator) -> None:
    (fleet.folder / "fleetsched.yaml").write_text(
        (fleet.folder / "fleetsched.yaml").read_text() + "proposals: {openAtOnce: 10, perDay: 1}\n"
    )
    git(fleet.folder, "commit", "-am", "limit")
    git(fleet.folder, "push", "origin", "HEAD:main")
    fleet.run("propose", "--offline", "--unmeasured")
    fleet.run("review", "close", "lab-fairness")
    said = fleet.run("propose", "--offline", "--unmeasured", "--repropose", code=ExitCode.REFUSED)
    assert "proposals opened in 24 hours: 1; fleetsched.yaml allows 1" in said


def test_a_token_that_is_not_there_is_told(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORGE_TOKEN", raising=False)
    assert main(["review", "list"]) == ExitCode.ERROR
    assert "FORGE_TOKEN" in fleet.capsys.readouterr().err
