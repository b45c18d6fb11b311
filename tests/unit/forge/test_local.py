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
RUNS = "fair@" + "1c" * 32


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
    assert forge.proposals().proposals == (opened,)
    assert opened == Proposal(
        goal="web",
        policy="fair",
        state=State.OPEN,
        base=git(clone, "rev-parse", "HEAD"),
        made=opened.head,
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
    approved = forge.approve(forge.open(change(clone), None), RUNS)
    assert [approval.by for approval in approved.valid_approvals] == [ALICE]
    merged = forge.merge(approved)
    assert (merged.state, forge.proposals().proposals) == (State.MERGED, (merged,))
    assert refs(clone) == ["refs/fleetsched/proposals/web", "refs/heads/main"]
    git(clone, "pull", "--ff-only", "origin", "main")
    assert (clone / "manifests" / "a.yaml").read_text() == "a: 2\n"
    assert git(clone, "log", "-1", "--format=%H %an") == f"{merged.merged_as} A"
    assert f"Approved-by: {ALICE}" in git(clone, "log", "-1", "--format=%B")


def test_an_approval_is_of_one_commit_only(clone: Path) -> None:
    forge = forge_of(clone)
    approved = forge.approve(forge.open(change(clone), None), RUNS)
    updated = forge.open(change(clone, "a: 3\n"), approved)
    assert (updated.valid_approvals, updated.opened_at) == ((), approved.opened_at)
    with pytest.raises(RefusedError, match=f"proposal web: {updated.head[:12]} is not approved"):
        forge.merge(updated)
    git(clone, "fetch", "origin")
    assert git(clone, "show", "origin/fleetsched/proposal/web:manifests/a.yaml") == "a: 3"


def test_closed_it_keeps_its_record_and_reason(clone: Path) -> None:
    forge = forge_of(clone)
    closed = forge.close(forge.open(change(clone), None), "not now")
    assert (closed.state, closed.reason, forge.proposals().proposals) == (State.CLOSED, "not now", (closed,))
    assert refs(clone) == ["refs/fleetsched/proposals/web", "refs/heads/main"]
    assert forge.close(closed, "again") == closed
    with pytest.raises(RefusedError, match="proposal web is closed"):
        forge.approve(closed, RUNS)
    reopened = forge.open(change(clone), closed)
    assert (reopened.state, reopened.reason) == (State.OPEN, "")


def test_what_became_of_it_is_noted_once_bounded_and_only_the_newest_stays(clone: Path) -> None:
    forge = forge_of(clone)
    merged = forge.merge(forge.approve(forge.open(change(clone), None), RUNS))
    told = forge.report(merged, "rolled back: web-1 stalled")
    assert [(each.by, each.text) for each in told.reports] == [(ALICE, "rolled back: web-1 stalled")]
    assert forge.report(told, "rolled back: web-1 stalled") == told
    told = forge.report(told, "x" * 5000)
    assert len(told.reports[-1].text) == 4000
    for number in range(20):
        told = forge.report(told, f"report {number}")
    assert [each.text for each in told.reports] == [f"report {number}" for number in range(20)]
    assert forge.proposals().proposals == (told,)


def test_a_record_of_before_there_were_reports_can_be_read(clone: Path) -> None:
    opened = forge_of(clone).open(change(clone), None)
    wire = opened.to_wire()
    del wire["reports"]
    assert Proposal.from_wire(wire) == opened


def go_on(clone: Path) -> str:
    """Somebody pushes a commit of their own to the proposal's branch."""
    git(clone, "fetch", "origin")
    git(clone, "switch", "-c", "fleetsched/proposal/web", "origin/fleetsched/proposal/web")
    (clone / "manifests" / "b.yaml").write_text("b: 1\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-m", "mine")
    git(clone, "push", "origin", "HEAD")
    return git(clone, "rev-parse", "HEAD")


def test_commits_of_people_are_not_overwritten(clone: Path) -> None:
    opened = forge_of(clone).open(change(clone), None)
    mine = go_on(clone)
    forge = forge_of(clone)
    (proposal,) = forge.proposals().proposals
    assert proposal == replace(opened, head=mine)
    with pytest.raises(RefusedError) as caught:
        forge.open(change(clone, "a: 3\n"), proposal)
    assert str(caught.value) == (
        "goal web: the branch fleetsched/proposal/web has commits that fleetsched did not make; they are not"
        " overwritten\n  review and merge them, or close the proposal or delete the branch first"
    )
    assert git(clone, "ls-remote", "origin", "refs/heads/fleetsched/*").split()[0] == mine


def test_commits_of_people_are_approved_and_merged_with_it(clone: Path) -> None:
    forge = forge_of(clone)
    forge.approve(forge.open(change(clone), None), RUNS)
    mine = go_on(clone)
    (proposal,) = forge.proposals().proposals
    with pytest.raises(RefusedError, match=f"{mine[:12]} is not approved"):
        forge.merge(proposal)
    merged = forge.merge(forge.approve(proposal, RUNS))
    assert git(clone, "show", f"{merged.merged_as}:manifests/b.yaml") == "b: 1"


def test_a_branch_that_is_nobodys_proposal_is_not_overwritten(clone: Path) -> None:
    git(clone, "push", "origin", "HEAD:refs/heads/fleetsched/proposal/web")
    with pytest.raises(RefusedError, match="has commits that fleetsched did not make"):
        forge_of(clone).open(change(clone), None)


def test_a_proposal_whose_branch_is_gone_cannot_be_approved(clone: Path) -> None:
    opened = forge_of(clone).open(change(clone), None)
    git(clone, "push", "origin", ":refs/heads/fleetsched/proposal/web")
    with pytest.raises(RefusedError) as caught:
        forge_of(clone).approve(opened, RUNS)
    assert str(caught.value) == (
        "proposal web: its branch fleetsched/proposal/web is gone\n  close the proposal, and propose again"
    )


def test_approving_and_merging_again_changes_nothing(clone: Path) -> None:
    forge = forge_of(clone)
    approved = forge.approve(forge.open(change(clone), None), RUNS)
    assert forge.approve(approved, RUNS) == approved
    merged = forge.merge(approved)
    before = git(clone, "ls-remote", "origin")
    assert forge.merge(merged) == merged
    assert git(clone, "ls-remote", "origin") == before


def test_what_was_merged_by_hand_is_recorded_as_merged(clone: Path) -> None:
    opened = forge_of(clone).open(change(clone), None)
    git(clone, "push", "origin", f"{opened.head}:main")
    forge = forge_of(clone)
    merged = forge.merge(opened)
    assert (merged.state, merged.merged_as) == (State.MERGED, opened.head)
    assert refs(clone) == ["refs/fleetsched/proposals/web", "refs/heads/main"]


def test_the_records_history_tells_who_did_what(clone: Path) -> None:
    forge = forge_of(clone)
    approved = forge.approve(forge.open(change(clone), None), RUNS)
    forge.close(forge.open(change(clone, "a: 3\n"), approved), "not now")
    forge.proposals()
    log = git(clone, "log", "-4", "--first-parent", "--format=%s", "refs/fleetsched/seen/proposals/web")
    assert log.splitlines() == [
        "Proposal for goal web: closed: not now",
        "Proposal for goal web: updated",
        f"Proposal for goal web: approved by {ALICE}, who proposed it",
        "Proposal for goal web: opened",
    ]


def test_what_was_closed_can_be_looked_at_from_another_clone(clone: Path) -> None:
    forge = forge_of(clone)
    forge.close(forge.open(change(clone), None), "")
    git(clone.parent, "clone", "remote.git", "other")
    other = forge_of(clone.parent / "other")
    (closed,) = other.proposals().proposals
    assert "+a: 2" in other.diff(closed)


def test_the_diff_is_what_would_be_merged_whatever_the_record_says(clone: Path) -> None:
    forge = forge_of(clone)
    opened = forge.open(change(clone), None)
    assert "+a: 2" in forge.diff(replace(opened, base=opened.head))


def test_of_two_at_once_one_wins_and_the_other_is_told(clone: Path) -> None:
    forge_of(clone).open(change(clone), None)
    first, second = forge_of(clone), forge_of(clone)
    (proposal,) = second.proposals().proposals
    first.close(proposal, "no")
    with pytest.raises(ConflictError) as caught:
        second.approve(proposal, RUNS)
    assert str(caught.value) == (
        "somebody else changed it at the same time; nothing was changed\n  run it again"
    )
    assert [each.state for each in forge_of(clone).proposals().proposals] == [State.CLOSED]


def test_a_merge_that_conflicts_changes_nothing(clone: Path) -> None:
    forge = forge_of(clone)
    approved = forge.approve(forge.open(change(clone), None), RUNS)
    (clone / "manifests" / "a.yaml").write_text("a: 99\n")
    git(clone, "commit", "-am", "other")
    git(clone, "push", "origin", "HEAD:main")
    forge.proposals()
    assert not forge.is_mergeable(approved)
    with pytest.raises(ConflictError, match="conflicts with what was merged"):
        forge.merge(approved)
    assert forge.proposals().proposals == (approved,)


def test_records_that_are_none_are_no_proposals(clone: Path) -> None:
    records = {
        "not json": "is not JSON",
        "[" * 100_000: "is not JSON",
        "[]": "is not a record: expected a mapping, got a list",
        '{"version": 1, "goal": "other"}': "is not a record: field `approvals` is missing",
        " " * 600_000: "has no proposal.json of at most 524,288 bytes",
    }
    branches = Branches(clone, Trust())
    commits = [branches.commit({"proposal.json": text.encode()}, "x") for text in records]
    commits.append(branches.commit({"other.json": b"{}"}, "x"))
    pushed = [f"{commit}:refs/fleetsched/proposals/web-{n}" for n, commit in enumerate(commits)]
    git(clone, "push", "origin", *pushed)
    found = forge_of(clone).proposals()
    whys = [*records.values(), "has no proposal.json of at most 524,288 bytes"]
    assert found.proposals == ()
    assert found.ignored == tuple(f"refs/fleetsched/proposals/web-{n} {why}" for n, why in enumerate(whys))


def test_names_that_are_no_goals_are_no_proposals(clone: Path) -> None:
    forge = forge_of(clone)
    opened = forge.open(change(clone), None)
    commit = Branches(clone, Trust()).commit(
        {"proposal.json": json.dumps(replace(opened, goal="x").to_wire()).encode()}, "x"
    )
    names = ("--upload-pack=x", "a;touch$IFS-executed", "UPPER", "a/b", "$(id)", "db")
    git(clone, "push", "origin", *(f"{commit}:refs/fleetsched/proposals/{name}" for name in names))
    found = forge_of(clone).proposals()
    assert [proposal.goal for proposal in found.proposals] == ["web"]
    assert found.ignored == (
        'refs/fleetsched/proposals/"$(id)" is not the name of a goal',
        'refs/fleetsched/proposals/"--upload-pack=x" is not the name of a goal',
        'refs/fleetsched/proposals/"UPPER" is not the name of a goal',
        'refs/fleetsched/proposals/"a/b" is not the name of a goal',
        'refs/fleetsched/proposals/"a;touch$IFS-executed" is not the name of a goal',
        "refs/fleetsched/proposals/db is the record of another goal, x",
    )


def test_a_record_that_would_not_be_read_again_is_not_written(clone: Path) -> None:
    forge = forge_of(clone)
    with pytest.raises(FleetschedError, match="proposal web cannot be recorded: expected at most"):
        forge.open(replace(change(clone), title="x" * 201), None)
    assert refs(clone) == ["refs/heads/main"]


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


def test_neither_the_record_nor_a_commit_holds_what_looks_like_a_secret(clone: Path) -> None:
    token = "ghp_0123456789abcdefghijABCDEFGHIJ456789"
    forge = forge_of(clone)
    opened = forge.open(replace(change(clone), why=f"a process is called {token}"), None)
    closed = forge.close(opened, f"because of {token}")
    assert (opened.why, closed.reason) == ("a process is called [redacted]", "because of [redacted]")
    assert token not in git(clone, "log", "--all", "-p")
