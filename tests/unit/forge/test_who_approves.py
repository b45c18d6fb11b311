# SPDX-License-Identifier: Apache-2.0
"""Who has to approve what somebody pushed to the branch of fleetsched's pull request: not that one alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetsched.errors import RefusedError
from fleetsched.fleetrepo.branches import Branches
from fleetsched.forge.interface import Change
from fleetsched.forge.own_commits import OwnCommits
from fleetsched.forge.pull_requests import PullRequestForge
from fleetsched.model.controller import Trust
from tests.unit.forge.page import BRANCH, Page, approvals
from tests.unit.git_repository import git


@dataclass
class Made:
    """A proposal as fleetsched has just pushed it."""

    clone: Path
    page: Page

    @property
    def forge(self) -> PullRequestForge:
        forge = PullRequestForge(Branches(self.clone, Trust()), self.page)
        forge.proposals()
        return forge

    def push(self, commit: str) -> None:
        """Push to the branch as people do."""
        git(self.clone, "push", "--force", "origin", f"{commit}:refs/heads/{BRANCH}")
        self.page.head = commit

    def main_goes_on(self) -> str:
        git(self.clone, "checkout", "--detach", "origin/main")
        (self.clone / "README.md").write_text("more\n")
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "-m", "more")
        git(self.clone, "push", "origin", "HEAD:main")
        return git(self.clone, "rev-parse", "HEAD")

    def approvers(self, *users: str) -> list[str]:
        """Whose approvals count where these approve the tip."""
        self.page.said[:] = approvals(self.page.head, *users)
        (proposal,) = self.forge.proposals().proposals
        return [each.by for each in proposal.approvals]


@pytest.fixture
def made(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.test")
    (clone / "CODEOWNERS").write_text("* @alice @bob\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-m", "owners")
    git(clone, "push", "origin", "HEAD:main")
    base = git(clone, "rev-parse", "HEAD")
    files = {"manifests/a.yaml": b"a: 2\n"}
    change = Change("web", "fair", base, "Run fair", "because", "f" * 64, files)
    branches = Branches(clone, Trust())
    branches.trusted_tip()
    commit = OwnCommits(branches).make(change, "Run fair", "")
    made = Made(clone, Page(commit, commit))
    made.push(commit)
    return made


def test_one_owner_approves_what_fleetsched_made(made: Made) -> None:
    assert made.approvers("alice") == ["alice"]


def by_hand(made: Made, content: bytes = b"a: 666\n") -> str:
    branches = Branches(made.clone, Trust())
    return branches.commit(
        {"manifests/a.yaml": content}, "mine", base=made.page.made, parents=(made.page.made,)
    )


def test_what_somebody_pushed_takes_two_owners_since_one_may_be_who_pushed(made: Made) -> None:
    made.push(by_hand(made))
    assert made.approvers("alice") == []
    assert made.approvers("alice", "mallory") == []
    assert made.approvers("alice", "bob") == ["alice", "bob"]


def test_the_refusal_says_why_and_what_to_do(made: Made) -> None:
    made.push(by_hand(made))
    made.page.said[:] = approvals(made.page.head, "alice")
    (proposal,) = made.forge.proposals().proposals
    with pytest.raises(RefusedError) as caught:
        made.forge.merge(proposal)
    assert str(caught.value) == (
        f"proposal web: {made.page.head[:12]} is not approved: its branch is not as fleetsched made it, and"
        " whoever pushed to it may be one who approves: two owners have to, or the change comes as a pull"
        ' request of whoever made it; "manifests/a.yaml" waits for 1 more of alice, bob\n'
        "  have pull request 1 reviewed by them"
    )
    assert made.page.merges == []


def test_a_commit_that_claims_the_tree_of_another_is_not_fleetscheds(made: Made) -> None:
    message = git(made.clone, "log", "-1", "--format=%B", made.page.made)
    base = git(made.clone, "rev-parse", f"{made.page.made}^")
    branches = Branches(made.clone, Trust())
    made.push(branches.commit({"manifests/a.yaml": b"a: 666\n"}, message, base=base, parents=(base,)))
    assert made.approvers("alice") == []


def test_a_commit_that_says_its_own_tree_is_not_the_one_that_was_recorded(made: Made) -> None:
    base = git(made.clone, "rev-parse", f"{made.page.made}^")
    tree = git(made.clone, "rev-parse", f"{by_hand(made)}^{{tree}}")
    branches = Branches(made.clone, Trust())
    made.push(branches.commit_tree(tree, f"Run fair\n\nFleetsched-Tree: {tree}\n", (base,)))
    assert OwnCommits(branches).made(made.page.head)
    assert made.approvers("alice") == []


def test_main_merged_into_the_branch_takes_one_owner_as_before(made: Made) -> None:
    main = made.main_goes_on()
    git(made.clone, "checkout", "--detach", made.page.made)
    git(made.clone, "merge", "-m", "update", main)
    made.push(git(made.clone, "rev-parse", "HEAD"))
    assert made.approvers("alice") == ["alice"]


def test_a_merge_of_main_that_changes_more_takes_two(made: Made) -> None:
    main = made.main_goes_on()
    git(made.clone, "checkout", "--detach", made.page.made)
    git(made.clone, "merge", "--no-commit", "--no-ff", main)
    (made.clone / "manifests" / "a.yaml").write_text("a: 666\n")
    git(made.clone, "commit", "-am", "update")
    made.push(git(made.clone, "rev-parse", "HEAD"))
    assert made.approvers("alice") == []
    assert made.approvers("alice", "bob") == ["alice", "bob"]
