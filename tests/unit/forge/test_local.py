# SPDX-License-Identifier: Apache-2.0
"""The life of a proposal on a bare repository, with the real Git."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.errors import ConflictError, FleetschedError, RefusedError
from fleetsched.fleetrepo.branches import Branches
from fleetsched.forge.interface import Change
from fleetsched.forge.local import LocalForge
from fleetsched.model.controller import Trust
from fleetsched.model.proposal import Proposal, State
from tests.unit.git_repository import git

ALICE = "A <a@example.test>"


@pytest.fixture(autouse=True)
def identity(own_git: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.test")


def times() -> Iterator[str]:
    return (f"2026-01-01T00:00:{second:02}Z" for second in itertools.count())


def forge_of(clone: Path) -> LocalForge:
    clock = times()
    forge = LocalForge(Branches(clone, Trust()), lambda: next(clock))
    forge.proposals()
    return forge


def change(clone: Path, content: str = "a: 2\n") -> Change:
    base = git(clone, "rev-parse", "origin/main")
    return Change(
        "web", "fair", base, "Run fair", "because", "f" * 64, {"manifests/a.yaml": content.encode()}
    )


def refs(clone: Path) -> list[str]:
    listing = git(clone, "ls-remote", "origin").splitlines()
    return sorted(line.split("\t")[1] for line in listing if not line.endswith("HEAD"))


def test_a_proposal_is_a_branch_and_a_record(clone: Path) -> None:
    forge = forge_of(clone)
    opened = forge.open(change(clone), None)
    assert forge.proposals() == (opened,)
    assert opened == Proposal(
        goal="web",
        policy="fair",
        state=State.OPEN,
        base=git(clone, "rev-parse", "HEAD"),
        head=opened.head,
        author=ALICE,
        title="Run fair",
        why="because",
        fingerprint="f" * 64,
        opened_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-01T00:00:00Z",
    )
    assert refs(clone) == [
        "refs/fleetsched/proposals/web",
        "refs/heads/fleetsched/proposal/web",
        "refs/heads/main",
    ]
    assert git(clone, "status", "--porcelain") == ""
    assert "+a: 2" in forge.diff(opened)


def test_approved_and_merged_it_is_on_the_trusted_branch_and_its_branch_is_gone(clone: Path) -> None:
    forge = forge_of(clone)
    approved = forge.approve(forge.open(change(clone), None))
    assert [approval.by for approval in approved.valid_approvals] == [ALICE]
    merged = forge.merge(approved)
    assert (merged.state, forge.proposals()) == (State.MERGED, (merged,))
    assert refs(clone) == ["refs/fleetsched/proposals/web", "refs/heads/main"]
    git(clone, "pull", "--ff-only", "origin", "main")
    assert (clone / "manifests" / "a.yaml").read_text() == "a: 2\n"
    assert git(clone, "log", "-1", "--format=%H %an") == f"{merged.merged_as} A"
    assert f"Approved-by: {ALICE}" in git(clone, "log", "-1", "--format=%B")


def test_an_approval_is_of_one_commit_only(clone: Path) -> None:
    forge = forge_of(clone)
    approved = forge.approve(forge.open(change(clone), None))
    updated = forge.open(change(clone, "a: 3\n"), approved)
    assert (updated.valid_approvals, updated.opened_at) == ((), approved.opened_at)
    with pytest.raises(RefusedError, match=f"proposal web: {updated.head[:12]} is not approved"):
        forge.merge(updated)
    git(clone, "fetch", "origin")
    assert git(clone, "show", "origin/fleetsched/proposal/web:manifests/a.yaml") == "a: 3"


def test_closed_it_keeps_its_record_and_reason(clone: Path) -> None:
    forge = forge_of(clone)
    closed = forge.close(forge.open(change(clone), None), "not now")
    assert (closed.state, closed.reason, forge.proposals()) == (State.CLOSED, "not now", (closed,))
    assert refs(clone) == ["refs/fleetsched/proposals/web", "refs/heads/main"]
    assert forge.close(closed, "again") == closed
    with pytest.raises(RefusedError, match="proposal web is closed"):
        forge.approve(closed)
    reopened = forge.open(change(clone), closed)
    assert (reopened.state, reopened.reason) == (State.OPEN, "")


def test_commits_of_people_are_not_overwritten(clone: Path) -> None:
    opened = forge_of(clone).open(change(clone), None)
    git(clone, "fetch", "origin")
    git(clone, "switch", "-c", "fleetsched/proposal/web", "origin/fleetsched/proposal/web")
    git(clone, "commit", "--allow-empty", "-m", "mine")
    git(clone, "push", "origin", "HEAD")
    forge = forge_of(clone)
    with pytest.raises(RefusedError, match="has commits that fleetsched did not make"):
        forge.open(change(clone, "a: 3\n"), opened)
    with pytest.raises(RefusedError, match="is not at"):
        forge.approve(opened)


def test_of_two_at_once_one_wins_and_the_other_is_told(clone: Path) -> None:
    forge_of(clone).open(change(clone), None)
    first, second = forge_of(clone), forge_of(clone)
    (proposal,) = second.proposals()
    first.close(proposal, "no")
    with pytest.raises(ConflictError) as caught:
        second.approve(proposal)
    assert str(caught.value) == (
        "somebody else changed it at the same time; nothing was changed\n  run it again"
    )
    assert [each.state for each in forge_of(clone).proposals()] == [State.CLOSED]


def test_a_merge_that_conflicts_changes_nothing(clone: Path) -> None:
    forge = forge_of(clone)
    approved = forge.approve(forge.open(change(clone), None))
    (clone / "manifests" / "a.yaml").write_text("a: 99\n")
    git(clone, "commit", "-am", "other")
    git(clone, "push", "origin", "HEAD:main")
    with pytest.raises(ConflictError, match="conflicts with what was merged"):
        forge.merge(approved)
    assert forge.proposals() == (approved,)


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[" * 100_000,
        "{}",
        json.dumps({"version": 1, "goal": "other"}),
        " " * 300_000,
    ],
)
def test_a_record_that_is_none_is_no_proposal(clone: Path, text: str) -> None:
    branches = Branches(clone, Trust())
    commit = branches.commit({"proposal.json": text.encode()}, "x")
    git(clone, "push", "origin", f"{commit}:refs/fleetsched/proposals/web")
    assert forge_of(clone).proposals() == ()


def test_names_that_are_no_goals_are_no_proposals(clone: Path) -> None:
    forge = forge_of(clone)
    opened = forge.open(change(clone), None)
    commit = Branches(clone, Trust()).commit(
        {"proposal.json": json.dumps(replace(opened, goal="x").to_wire()).encode()}, "x"
    )
    for name in ("--upload-pack=x", "a;touch$IFS-executed", "UPPER", "a/b", "$(id)"):
        git(clone, "push", "origin", f"{commit}:refs/fleetsched/proposals/{name}")
    assert [proposal.goal for proposal in forge_of(clone).proposals()] == ["web"]


def test_a_remote_that_refuses_is_told(clone: Path, tmp_path: Path) -> None:
    hook = tmp_path / "remote.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho no >&2; exit 1\n")
    hook.chmod(0o755)
    with pytest.raises(FleetschedError, match="the Git remote origin does not take it"):
        forge_of(clone).open(change(clone), None)
    assert refs(clone) == ["refs/heads/main"]


def test_without_a_remote_it_says_how_to_add_one(clone: Path) -> None:
    git(clone, "remote", "remove", "origin")
    with pytest.raises(FleetschedError) as caught:
        Branches(clone, Trust())
    assert str(caught.value) == ('there is no Git remote "origin"\n  add it: git remote add origin URL')


def test_a_repository_that_would_run_programs_is_refused(clone: Path) -> None:
    git(clone, "config", "core.fsmonitor", "touch executed")
    with pytest.raises(RefusedError, match="unsafe-config"):
        Branches(clone, Trust())
