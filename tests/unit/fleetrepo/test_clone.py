# SPDX-License-Identifier: Apache-2.0
"""The reconciler's own clone: at the trusted tip, with the bytes that are committed. With the real git."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from fleetsched.fleetrepo.clone import bring, remember_newest
from fleetsched.fleetrepo.revision import Revision
from fleetsched.model.controller import Trust
from tests.unit.git_repository import git


def test_files_are_as_committed_whatever_the_repository_wants_them_converted_to(
    clone: Path, tmp_path: Path
) -> None:
    (clone / ".gitattributes").write_text("*.yaml eol=crlf ident\n*.txt working-tree-encoding=UTF-16\n")
    (clone / "manifests" / "a.yaml").write_text("a: $Id$\n")
    (clone / "a.txt").write_bytes("a\n".encode("utf-16"))
    git(clone, "add", "--all")
    git(clone, "commit", "-m", "converted")
    git(clone, "push", "origin", "HEAD:main")

    revision = bring(tmp_path / "own", Trust(remote=str(tmp_path / "remote.git")))

    assert revision == Revision(git(clone, "rev-parse", "HEAD"))
    assert (tmp_path / "own" / "manifests" / "a.yaml").read_bytes() == b"a: $Id$\n"


def test_a_branch_that_was_taken_back_is_refused_also_by_a_new_clone(clone: Path, tmp_path: Path) -> None:
    own, trust = tmp_path / "own", Trust(remote=str(tmp_path / "remote.git"))
    git(clone, "commit", "--allow-empty", "-m", "second")
    git(clone, "push", "origin", "HEAD:main")
    old, new = git(clone, "rev-parse", "HEAD"), git(clone, "rev-parse", "HEAD~1")
    assert bring(own, trust).approved
    git(clone, "push", "--force", "origin", f"{new}:main")

    taken_back = bring(own, trust)
    shutil.rmtree(own)
    afresh = bring(own, trust)

    expected = (
        f"rewound: main of {trust.remote} was at {old[:12]} and is now at {new}, which does not hold it"
    )
    assert taken_back == afresh == Revision(new, (expected,))
    git(clone, "push", "origin", f"{old}:main")
    assert bring(own, trust) == Revision(old)


def test_a_branch_may_be_taken_back_to_the_commit_that_somebody_accepts(clone: Path, tmp_path: Path) -> None:
    own, trust = tmp_path / "own", Trust(remote=str(tmp_path / "remote.git"))
    for subject in ("second", "third"):
        git(clone, "commit", "--allow-empty", "-m", subject)
    git(clone, "push", "origin", "HEAD:main")
    new, older = git(clone, "rev-parse", "HEAD~1"), git(clone, "rev-parse", "HEAD~2")
    bring(own, trust)
    git(clone, "push", "--force", "origin", f"{new}:main")
    remember_newest(own, "main", new)
    assert bring(own, trust) == Revision(new)
    git(clone, "push", "--force", "origin", f"{older}:main")
    assert bring(own, trust).objections[0].startswith(f"rewound: main of {trust.remote} was at {new[:12]}")


def test_another_branch_is_another_matter(clone: Path, tmp_path: Path) -> None:
    own, trust = tmp_path / "own", Trust(remote=str(tmp_path / "remote.git"))
    git(clone, "push", "origin", "HEAD:release")
    git(clone, "commit", "--allow-empty", "-m", "second")
    git(clone, "push", "origin", "HEAD:main")
    assert bring(own, trust).approved
    assert bring(own, replace(trust, branch="release")).approved


def test_a_tip_that_nobody_approved_may_be_taken_back(clone: Path, tmp_path: Path) -> None:
    own, trust = tmp_path / "own", Trust(remote=str(tmp_path / "remote.git"))
    bring(own, trust)
    first = git(clone, "rev-parse", "HEAD")
    git(clone, "commit", "--allow-empty", "-m", "by mistake")
    git(clone, "push", "origin", "HEAD:main")
    unsigned = replace(trust, allowed_signers=str(tmp_path / "signers"))
    assert not bring(own, unsigned).approved
    git(clone, "push", "--force", "origin", f"{first}:main")
    assert bring(own, trust) == Revision(first)
