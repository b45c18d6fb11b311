# SPDX-License-Identifier: Apache-2.0
"""A fleet repository on an emulated GitHub, and the people and programs that have access to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetsched.fleetrepo.branches import Branches
from fleetsched.forge.forgejo import Forgejo
from fleetsched.forge.github import GitHub
from fleetsched.forge.gitlab import GitLab
from fleetsched.forge.pull_requests import PullRequestForge
from fleetsched.model.controller import ForgeAccess, Trust
from tests.github_emulator.repository import User
from tests.github_emulator.server import GitHubEmulator, running
from tests.unit.forge.canned import Canned, canned
from tests.unit.git_repository import git

BOT = User("fleet-bot", "token-of-the-bot")
OWNER = User("alice", "token-of-alice")
OTHER = User("mallory", "token-of-mallory")
READER = User("eve", "token-of-eve", writes=False)
APP = User("fleet[bot]", "token-of-the-app", app=True)
TRUST = Trust()
CODEOWNERS = "* @alice\n/policies/ @alice @acme/kernel\n"


@dataclass
class Place:
    """A clone of the repository, and the emulator that it comes from."""

    github: GitHubEmulator
    clone: Path

    def forge(self, user: User = BOT, trust: Trust = TRUST) -> PullRequestForge:
        """The forge as a user of it sees it, listed once."""
        access = ForgeAccess("github", self.github.repository.full_name, self.github.api_url)
        forge = PullRequestForge(Branches(self.clone, trust), GitHub(access, user.token))
        forge.proposals()
        return forge

    def push(self, text: str, file: str = "manifests/b.yaml", branch: str = "main") -> str:
        """Push a commit as people do; return it."""
        git(self.clone, "fetch", "origin")
        git(self.clone, "checkout", "--detach", f"origin/{branch}")
        (self.clone / file).parent.mkdir(parents=True, exist_ok=True)
        (self.clone / file).write_text(text)
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "-m", "by hand")
        git(self.clone, "push", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.clone, "rev-parse", "HEAD")


@pytest.fixture
def server() -> Iterator[Canned]:
    with canned() as server:
        yield server


@pytest.fixture
def forgejo(server: Canned) -> Forgejo:
    return Forgejo(ForgeAccess("forgejo", "acme/fleet", f"{server.url}/api/v1"), "the-token")


@pytest.fixture
def gitlab(server: Canned) -> GitLab:
    return GitLab(ForgeAccess("gitlab", "acme/fleet", server.url), "the-token")


@pytest.fixture
def place(tmp_path: Path, own_git: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.test")
    (tmp_path / "served" / "acme").mkdir(parents=True)
    git(tmp_path / "served" / "acme", "init", "--bare", "-b", "main", "fleet.git")
    with running(tmp_path / "served") as github:
        github.repository.users = [BOT, OWNER, OTHER, READER, APP]
        clone = tmp_path / "clone"
        git(tmp_path, "clone", github.git_url(BOT), "clone")
        (clone / "manifests").mkdir()
        (clone / "manifests" / "a.yaml").write_text("a: 1\n")
        (clone / "CODEOWNERS").write_text(CODEOWNERS)
        git(clone, "add", "-A")
        git(clone, "commit", "-m", "first")
        git(clone, "push", "origin", "HEAD:main")
        yield Place(github, clone)
        assert "\n".join(github.wrong) == ""
