# SPDX-License-Identifier: Apache-2.0
"""What merging changes is what is judged, also where the branch and main have merged each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import ConflictError, RefusedError
from fleetsched.fleetrepo.branches import Branches
from fleetsched.forge.owners import Owners
from fleetsched.forge.pull_requests import PullRequestForge
from fleetsched.model.controller import Trust
from tests.unit.fleetrepo.trees import crossed
from tests.unit.forge.page import BRANCH, Page, approvals
from tests.unit.git_repository import git


@pytest.fixture
def identity(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.test")


def test_a_file_that_the_merge_takes_back_waits_for_its_owners(clone: Path) -> None:
    tip, branch = crossed(clone, {"CODEOWNERS": "* @alice\n"})
    assert git(clone, "diff", f"{tip}...{branch}") == ""  # what looks at one merge base sees
    branches = Branches(clone, Trust())
    assert Owners(branches, Page(branch, branch)).missing(tip, branch, []) == ['"CODEOWNERS" waits for alice']
    difference = branches.difference(tip, branch)
    assert "deleted file mode 100644" in difference
    assert "-* @alice" in difference


def test_what_takes_files_back_is_not_merged_without_a_review(clone: Path, identity: None) -> None:
    _, branch = crossed(clone, {"CODEOWNERS": "* @alice\n"})
    git(clone, "push", "origin", f"{branch}:refs/heads/{BRANCH}")
    page = Page(branch, branch)
    forge = PullRequestForge(Branches(clone, Trust()), page)
    (proposal,) = forge.proposals().proposals
    with pytest.raises(RefusedError, match=r'is not approved: .*"CODEOWNERS" waits for 2 of alice'):
        forge.merge(proposal)
    assert page.merges == []


def test_what_changes_nothing_is_not_approved_by_that(clone: Path, identity: None) -> None:
    (clone / "CODEOWNERS").write_text("* @alice\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-m", "owners")
    git(clone, "push", "origin", "HEAD:main")
    git(clone, "commit", "--allow-empty", "-m", "nothing")
    head = git(clone, "rev-parse", "HEAD")
    git(clone, "push", "origin", f"{head}:refs/heads/{BRANCH}")
    forge = PullRequestForge(Branches(clone, Trust()), Page(head, head, approvals(head, "alice")))
    (proposal,) = forge.proposals().proposals
    assert proposal.approvals == ()
    with pytest.raises(RefusedError, match=r"is not approved: .*merging it changes nothing"):
        forge.merge(proposal)


def test_a_branch_that_shares_no_history_is_listed_and_not_approved(clone: Path, identity: None) -> None:
    (clone / "CODEOWNERS").write_text("* @alice\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-m", "owners")
    git(clone, "push", "origin", "HEAD:main")
    branches = Branches(clone, Trust())
    orphan = branches.commit({"manifests/a.yaml": b"a: 9\n"}, "orphan")
    git(clone, "push", "origin", f"{orphan}:refs/heads/{BRANCH}")
    forge = PullRequestForge(branches, Page(orphan, orphan, approvals(orphan, "alice")))
    (proposal,) = forge.proposals().proposals
    assert proposal.approvals == ()


def test_the_diff_of_what_conflicts_is_what_it_changed_and_says_so(clone: Path, identity: None) -> None:
    branches = Branches(clone, Trust())
    old = git(clone, "rev-parse", "HEAD")
    tip, head = (
        branches.commit({"manifests/a.yaml": text}, "x", base=old, parents=(old,))
        for text in (b"a: 5\n", b"a: 2\n")
    )
    with pytest.raises(ConflictError):
        branches.merged(tip, head)
    first, *lines = branches.difference(tip, head).splitlines()
    assert first == "# the proposal conflicts with what was merged since it was made"
    assert "+a: 2" in lines
