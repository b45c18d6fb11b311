# SPDX-License-Identifier: Apache-2.0
"""The life of a proposal on a forge that others wrote: a real Pagure, with real Git."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetsched.errors import RefusedError
from fleetsched.fleetrepo.branches import Branches
from fleetsched.forge.interface import Change, Judged
from fleetsched.forge.pagure import Pagure
from fleetsched.forge.pull_requests import PullRequestForge
from fleetsched.model.controller import ForgeAccess, Trust
from fleetsched.model.proposal import Briefing, State
from tests.forges.pagure import Server, running
from tests.unit.git_repository import git

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a root of its own takes root")
BRANCH = "fleetsched/proposal/web"
RUNS = "fair@" + "1c" * 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("pagure") / "log") as server:
        yield server


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Bot")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "bot@example.test")


def until(what: Callable[[], bool]) -> None:
    """Pagure's worker follows a push when it comes to it."""
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "Pagure has not followed"
        time.sleep(0.5)


def test_a_proposal_is_opened_updated_approved_merged_and_another_closed(
    server: Server, tmp_path: Path
) -> None:
    git(tmp_path, "clone", server.git_url("bot"), "clone")
    clone = tmp_path / "clone"
    (clone / "manifests").mkdir()
    (clone / "manifests" / "a.yaml").write_text("a: 1\n")
    (clone / "CODEOWNERS").write_text("* @alice\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-m", "first")
    git(clone, "push", "origin", "HEAD:main")

    def forge(user: str = "bot") -> PullRequestForge:
        access = ForgeAccess("pagure", "acme/fleet", server.url)
        made = PullRequestForge(Branches(clone, Trust()), Pagure(access, server.tokens[user]))
        made.proposals()
        return made

    def change(content: str, fingerprint: str) -> Change:
        base = git(clone, "rev-parse", "refs/remotes/origin/main")
        files = {"manifests/a.yaml": content.encode()}
        told = Briefing(hosts=("web-1",), after="fair@1c1c1c1c", explanation="fixes #1, says @alice")
        return Change("web", "fair", base, "Run fair for goal web", "because", fingerprint * 64, files, told)

    first = forge().open(change("a: 2\n", "f"), None)
    bot = forge()
    assert bot.proposals().proposals == (first,)
    second = bot.open(change("a: 3\n", "e"), first)
    listed = forge().proposals().proposals
    assert [(each.fingerprint, each.head) for each in listed] == [("e" * 64, second.head)]
    with pytest.raises(RefusedError, match="bot opened it, and cannot approve it"):
        bot.approve(second, RUNS)
    with pytest.raises(RefusedError, match=r'is not approved: "manifests/a\.yaml" waits for alice'):
        bot.merge(second)

    api = Pagure(ForgeAccess("pagure", "acme/fleet", server.url), server.tokens["bot"])
    until(lambda: api.newest()[0].head == second.head)
    assert "Bot" not in api.newest()[0].body
    assert (
        bot.judge(Judged(second.head, "fleetsched review", True, "good", "all good"))
        == "Pagure pull request 1"
    )

    alice = forge("alice")
    approved = alice.approve(alice.proposals().proposals[0], RUNS)
    assert [(each.by, each.runs) for each in approved.valid_approvals] == [("alice", RUNS)]
    bot = forge()
    merged = bot.merge(bot.proposals().proposals[0])
    assert merged.state is State.MERGED
    git(clone, "fetch", "origin")
    assert git(clone, "show", "origin/main:manifests/a.yaml") == "a: 3"
    assert BRANCH not in git(clone, "ls-remote", "origin")
    bot = forge()
    assert [each.state for each in bot.proposals().proposals] == [State.MERGED]
    assert len(bot.report(bot.proposals().proposals[0], "web-1: ok").reports) == 0

    third = bot.open(change("a: 4\n", "d"), merged)
    bot.close(third, "not now")
    closed = forge().proposals().proposals[0]
    assert (closed.state, closed.fingerprint) == (State.CLOSED, "d" * 64)
