# SPDX-License-Identifier: Apache-2.0
"""The reconciler's own clone: at the trusted tip, with the bytes that are committed. With the real git."""

from __future__ import annotations

from pathlib import Path

from fleetsched.fleetrepo.clone import bring
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
