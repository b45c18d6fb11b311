# SPDX-License-Identifier: Apache-2.0
"""What is approved: only what is committed and can be reached from the trusted branch. With the real git."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import FleetschedError
from fleetsched.fleetrepo.revision import Revision, head
from fleetsched.model.controller import Trust
from tests.unit.git_repository import git


def test_a_clean_commit_on_the_trusted_branch_is_approved(clone: Path) -> None:
    commit = git(clone, "rev-parse", "HEAD")
    revision = head(clone, Trust(), fetch=True)
    assert revision == Revision(commit)
    assert (revision.approved, revision.dirty, revision.label) == (True, False, commit)


def test_changed_and_new_files_make_it_dirty(clone: Path) -> None:
    commit = git(clone, "rev-parse", "HEAD")
    (clone / "manifests" / "a.yaml").write_text("a: 2\n")
    for name in ("b", "c", "d"):
        (clone / f"{name}.yaml").write_text("")
    revision = head(clone, Trust())
    assert revision.objections == (
        'dirty: not as committed: "manifests/a.yaml", "b.yaml", "c.yaml" and 1 more',
    )
    assert revision.label == f"{commit}+dirty"


def test_ignored_files_do_not_count_unless_they_would_be_loaded_as_manifests(clone: Path) -> None:
    (clone / "inventory").mkdir()
    (clone / "inventory" / "lab.yaml").write_text("lab:\n")
    assert head(clone, Trust()).approved
    (clone / "manifests" / "mine.yaml").write_text("a: 1\n")
    assert head(clone, Trust()).objections == ('dirty: not as committed: "manifests/mine.yaml"',)


def test_changes_beside_the_fleets_folder_do_not_count(clone: Path) -> None:
    (clone / "README.md").write_text("x")
    assert head(clone / "manifests", Trust()).approved


def test_a_commit_that_is_not_on_the_trusted_branch_is_unmerged(clone: Path) -> None:
    git(clone, "commit", "--allow-empty", "-m", "second")
    commit = git(clone, "rev-parse", "HEAD")
    assert head(clone, Trust(), fetch=True).objections == (f"unmerged: {commit[:12]} is not on origin/main",)
    assert head(clone, Trust(branch="release")).objections == ("unmerged: origin/release was never fetched",)
    git(clone, "push", "origin", "HEAD:main")
    assert head(clone, Trust(), fetch=True).approved


def test_an_older_commit_of_the_trusted_branch_is_approved(clone: Path) -> None:
    git(clone, "commit", "--allow-empty", "-m", "second")
    git(clone, "push", "origin", "HEAD:main")
    git(clone, "checkout", "HEAD~1")
    assert head(clone, Trust(), fetch=True).approved


def rewind(clone: Path, *, to: str = "HEAD~1") -> tuple[str, str]:
    """Have somebody else take the remote's main back; return where it was and where it is."""
    old, new = git(clone, "rev-parse", "HEAD"), git(clone, "rev-parse", to)
    git(clone, "push", "--force", str(clone.parent / "remote.git"), f"{new}:refs/heads/main")
    return old, new


def test_a_trusted_branch_that_was_taken_back_is_refused_until_somebody_accepts_it(clone: Path) -> None:
    git(clone, "commit", "--allow-empty", "-m", "second")
    git(clone, "push", "origin", "HEAD:main")
    assert head(clone, Trust(), fetch=True).approved
    old, new = rewind(clone)
    git(clone, "fetch")
    git(clone, "checkout", new)

    refused = [head(clone, Trust(), fetch=True) for _ in range(2)]

    expected = f"rewound: origin/main was at {old[:12]} and is now at {new}, which does not hold it"
    assert [revision.objections for revision in refused] == [(expected,)] * 2
    assert refused[0].remedy.startswith("push again what is missing and take it back by new commits")
    git(clone, "update-ref", "-d", Trust().newest_reference)
    assert head(clone, Trust(), fetch=True).approved


def test_the_first_fetch_knows_where_the_clone_found_the_branch(clone: Path) -> None:
    git(clone, "commit", "--allow-empty", "-m", "second")
    git(clone, "push", "origin", "HEAD:main")
    _, new = rewind(clone)
    (objection, unmerged) = head(clone, Trust(), fetch=True).objections
    assert objection.startswith("rewound: origin/main was at ")
    assert unmerged.endswith("is not on origin/main")
    assert new in objection


def test_what_was_taken_back_and_joined_again_is_approved(clone: Path) -> None:
    git(clone, "commit", "--allow-empty", "-m", "second")
    git(clone, "push", "origin", "HEAD:main")
    head(clone, Trust(), fetch=True)
    old, new = rewind(clone)
    git(clone, "checkout", new)
    git(clone, "merge", "--strategy=ours", old)
    git(clone, "push", "origin", "HEAD:main")
    assert head(clone, Trust(), fetch=True).approved


def test_what_nobody_can_vouch_for_is_not_approved(clone: Path, tmp_path: Path) -> None:
    commit = git(clone, "rev-parse", "HEAD")
    assert head(clone, Trust(remote="upstream")).objections == (
        f'no-remote: there is no Git remote "upstream" to vouch for {commit[:12]}',
    )
    (tmp_path / "plain").mkdir()
    assert head(tmp_path / "plain", Trust()) == Revision(
        None,
        (
            f"no-repository: {tmp_path}/plain is not in a Git repository that can be read "
            "(not a git repository (or any of the parent directories): .git)",
        ),
    )
    git(tmp_path, "init", "fresh")
    fresh = head(tmp_path / "fresh", Trust())
    assert (fresh.objections, fresh.label) == (("no-commit: nothing is committed yet",), "none")


def test_a_remote_that_cannot_be_asked_is_an_error(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "remote.git").rename(tmp_path / "gone.git")
    with pytest.raises(FleetschedError) as caught:
        head(clone, Trust(), fetch=True)
    assert str(caught.value) == (
        "cannot fetch main from the Git remote origin "
        f"('{tmp_path}/remote.git' does not appear to be a git repository)\n"
        "  without it nobody knows what is approved; check the remote and your access to it"
    )


def test_nothing_that_a_remote_names_is_run(clone: Path, tmp_path: Path) -> None:
    git(clone, "remote", "set-url", "origin", f"ext::touch {tmp_path}/executed")
    with pytest.raises(FleetschedError, match="transport 'ext' not allowed"):
        head(clone, Trust(), fetch=True)
    assert not (tmp_path / "executed").exists()
