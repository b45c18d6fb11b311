# SPDX-License-Identifier: Apache-2.0
"""The reconciler's own clone: at the trusted tip, with the bytes that are committed. With the real git."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleetsched.errors import FleetschedError
from fleetsched.fleetrepo.clone import bring, remember_newest
from fleetsched.fleetrepo.git import Git
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


def test_what_nothing_leads_to_is_dropped_once_it_is_much(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, trust = tmp_path / "own", Trust(remote=str(tmp_path / "remote.git"))
    bring(own, trust)
    blobs = [tmp_path / f"{number}.txt" for number in range(1000)]
    for blob in blobs:
        blob.write_text(blob.name)
    *old, new = git(own, "hash-object", "-w", *map(str, blobs)).splitlines()
    yesterday = time.time() - 25 * 3600
    for name in old:
        os.utime(own / ".git" / "objects" / name[:2] / name[2:], (yesterday, yesterday))

    def there() -> list[str]:
        known = git(own, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
        return [name for name in (*old, new) if name in known]

    bring(own, trust)
    assert there() == [*old, new]

    monkeypatch.setattr("fleetsched.fleetrepo.clone._MOST_LOOSE", 500)
    revision = bring(own, trust)

    assert there() == [new]  # somebody may be about to need it
    assert revision == Revision(git(clone, "rev-parse", "HEAD"))
    assert list((own / ".git" / "objects" / "pack").glob("*.pack"))
    git(own, "fsck", "--full", "--strict")


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Say how many seconds the remote at `ssh://host/PATH` takes to answer."""
    program, seconds = tmp_path / "ssh", tmp_path / "seconds"
    program.write_text(
        f'#!/bin/sh\nsleep "$(cat {seconds})"\nfor word; do last=$word; done\nexec sh -c "$last"\n'
    )
    program.chmod(0o755)
    seconds.write_text("0")
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    return lambda value: (seconds.write_text(str(value)), None)[1]


def test_a_slow_remote_costs_no_clone_and_is_the_same_error_each_time(
    clone: Path, tmp_path: Path, slow: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, trust = tmp_path / "own", Trust(remote=f"ssh://host{tmp_path}/remote.git")
    monkeypatch.setattr("fleetsched.fleetrepo.revision._FETCH_LIMIT_S", 0.5)
    slow(1)  # the first fetch may take longer
    assert bring(own, trust).approved
    (own / ".git" / "marker").touch()
    (own / ".git" / "objects" / "pack" / "tmp_pack_1").touch()
    said = []
    for _ in range(2):
        with pytest.raises(FleetschedError) as caught:
            bring(own, trust)
        said.append(caught.value.message)
    assert said == [f"cannot fetch main from the Git remote {trust.remote} (it took longer than 0.5 s)"] * 2
    assert (own / ".git" / "marker").exists()
    assert not (own / ".git" / "objects" / "pack" / "tmp_pack_1").exists()


def test_a_full_disk_costs_no_clone(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, trust = tmp_path / "own", Trust(remote=str(tmp_path / "remote.git"))
    bring(own, trust)
    (own / ".git" / "marker").touch()
    run = Git.run

    def full(git: Git, *arguments: str, **more: Any) -> tuple[int, str, str]:
        if arguments[0] == "checkout":
            return 1, "", "error: unable to write file a.yaml: No space left on device\n"
        return run(git, *arguments, **more)

    monkeypatch.setattr(Git, "run", full)
    with pytest.raises(FleetschedError, match=r"cannot check out main in .*No space left on device"):
        bring(own, trust)
    assert (own / ".git" / "marker").exists()


def test_a_branch_whose_name_begins_with_that_of_the_one_before_is_followed(
    clone: Path, tmp_path: Path
) -> None:
    own, trust = tmp_path / "own", Trust(remote=str(tmp_path / "remote.git"))
    git(clone, "push", "origin", "HEAD:release")
    bring(own, replace(trust, branch="release"))
    git(clone, "push", "origin", ":release")
    git(clone, "push", "origin", "HEAD:release/1")
    assert bring(own, replace(trust, branch="release/1")).approved


def no_head(own: Path) -> None:
    (own / ".git" / "HEAD").write_text("")


def no_blob(own: Path) -> None:
    name = git(own, "rev-parse", "HEAD:manifests/a.yaml")
    (own / ".git" / "objects" / name[:2] / name[2:]).unlink()
    (own / "manifests" / "a.yaml").unlink()


@pytest.mark.parametrize("damage", [no_head, no_blob])
def test_what_is_damaged_is_cloned_afresh(
    clone: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    own, trust = tmp_path / "own", Trust(remote=str(tmp_path / "remote.git"))
    bring(own, trust)
    (own / ".git" / "marker").touch()
    damage(own)
    assert bring(own, trust) == Revision(git(clone, "rev-parse", "HEAD"))
    assert not (own / ".git" / "marker").exists()
