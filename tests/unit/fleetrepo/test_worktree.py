# SPDX-License-Identifier: Apache-2.0
"""A folder is as committed or it is not, whatever its repository tells Git. With the real git."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetsched.fleetrepo.branches import Branches
from fleetsched.fleetrepo.changes import changed_files
from fleetsched.fleetrepo.revision import head
from fleetsched.model.controller import Trust
from tests.unit.fleetrepo.test_trust import forge
from tests.unit.git_repository import git


def merged(clone: Path, *options: str) -> None:
    """Commit everything and have it on the trusted branch."""
    git(clone, "add", "--all", *options)
    git(clone, "commit", "-m", "merged")
    git(clone, "push", "origin", "HEAD:main")


def dirty(clone: Path) -> str:
    """The objection, which is the only one."""
    (objection,) = head(clone, Trust(), fetch=True).objections
    return objection.removeprefix("dirty: not as committed: ")


@pytest.mark.parametrize("folder", ["inventory", "manifests"])
def test_a_file_whose_name_differs_in_case_is_new(clone: Path, folder: str) -> None:
    (clone / "inventory").mkdir()
    (clone / folder / "groups.yaml").write_text("a:\n")
    merged(clone)
    git(clone, "config", "core.ignoreCase", "true")
    (clone / folder / "GROUPS.yaml").write_text("#!/bin/sh\n")
    (clone / folder / "GROUPS.yaml").chmod(0o755)
    assert git(clone, "status", "--porcelain") == ""  # what Git itself would believe
    assert dirty(clone) == f'"{folder}/GROUPS.yaml"'


@pytest.mark.parametrize(
    ("attribute", "committed", "instead"),
    [
        ("working-tree-encoding=UTF-7", "a: é\n", "a: +AOk-\n"),
        ("ident", "a: 1 # $Id$\n", "a: 1 # $Id: 666 $\n"),
        ("text", "a: 1\nb: 1\n", "a: 1\r\nb: 1\r\n"),
    ],
)
def test_a_file_that_git_would_convert_is_changed(
    clone: Path, attribute: str, committed: str, instead: str
) -> None:
    file = clone / "manifests" / "a.yaml"
    file.write_text(committed, encoding="utf-8")
    merged(clone)
    (clone / ".git" / "info" / "attributes").write_text(f"*.yaml {attribute}\n")
    file.write_bytes(instead.encode())
    assert git(clone, "diff", "--name-only") == ""  # what Git itself would believe
    assert dirty(clone) == '"manifests/a.yaml"'


def test_the_users_filter_does_not_hide_a_change(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text('[filter "plain"]\n\tclean = echo a: 1\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (clone / ".git" / "info" / "attributes").write_text("*.yaml filter=plain\n")
    (clone / "manifests" / "a.yaml").write_text("a: 666\n")
    git(clone, "add", "--all")
    assert git(clone, "status", "--porcelain") == ""  # what Git itself would believe
    assert dirty(clone) == '"manifests/a.yaml"'


def pointer_to(content: bytes) -> bytes:
    """What Git LFS commits of a file."""
    digest = hashlib.sha256(content).hexdigest()
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
    return text.encode()


def test_a_forged_pointer_of_lfs_vouches_for_nothing(clone: Path) -> None:
    evil, file = b"a: 666\n", clone / "manifests" / "a.yaml"
    forge(clone, git(clone, "rev-parse", "HEAD:manifests/a.yaml"), "blob", pointer_to(evil))
    file.write_bytes(evil)
    assert dirty(clone) == '"manifests/a.yaml"'


def test_what_a_committed_pointer_of_lfs_names_is_as_committed(clone: Path) -> None:
    file = clone / "picture.png"
    file.write_bytes(pointer_to(b"\x89PNG"))
    merged(clone)
    assert head(clone, Trust(), fetch=True).approved
    file.write_bytes(b"\x89PNG")
    assert head(clone, Trust(), fetch=True).approved
    file.write_bytes(b"\x89GNP")
    assert dirty(clone) == '"picture.png"'


def gone(clone: Path) -> None:
    (clone / "manifests" / "a.yaml").unlink()


def executable(clone: Path) -> None:
    (clone / "manifests" / "a.yaml").chmod(0o755)


def a_link(clone: Path) -> None:
    file = clone / "manifests" / "a.yaml"
    (clone / ".git" / "copy").write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(clone / ".git" / "copy")


def a_folder(clone: Path) -> None:
    (clone / "manifests" / "a.yaml").unlink()
    (clone / "manifests" / "a.yaml").mkdir()


def behind_a_link(clone: Path) -> None:
    (clone / "manifests").rename(clone / ".git" / "manifests")
    (clone / "manifests").symlink_to(clone / ".git" / "manifests")
    (clone / ".git" / "info" / "exclude").write_text("manifests\n")


@pytest.mark.parametrize("change", [gone, executable, a_link, a_folder, behind_a_link])
def test_a_committed_file_is_there_as_the_file_that_it_was(
    clone: Path, change: Callable[[Path], None]
) -> None:
    change(clone)
    assert dirty(clone).startswith('"manifests/a.yaml"')


def test_where_files_have_no_right_to_be_run_it_counts_for_programs_alone(clone: Path) -> None:
    (clone / "inventory").mkdir()
    (clone / "inventory" / "cloud").write_text("#!/bin/sh\n")
    merged(clone)
    git(clone, "config", "core.fileMode", "false")
    (clone / "manifests" / "a.yaml").chmod(0o755)
    assert head(clone, Trust(), fetch=True).approved
    (clone / "inventory" / "cloud").chmod(0o755)
    assert dirty(clone) == '"inventory/cloud"'


def a_repository_in_it(clone: Path) -> str:
    git(clone, "init", "manifests/own")
    (clone / "manifests" / "own" / "b.yaml").write_text("b: 1\n")
    git(clone / "manifests" / "own", "commit", "--allow-empty", "-m", "own")
    return "manifests/own"


def a_linked_policy(clone: Path) -> str:
    (clone / ".git" / "own").mkdir()
    (clone / ".git" / "own" / "policy.yaml").write_text("b: 1\n")
    (clone / "policies").mkdir()
    (clone / "policies" / "own").symlink_to(clone / ".git" / "own")
    return "policies/own"


def a_linked_inventory(clone: Path) -> str:
    (clone / ".git" / "inventory").mkdir()
    (clone / "inventory").symlink_to(clone / ".git" / "inventory")
    return "inventory"


def settings(clone: Path) -> str:
    (clone / "fleetsched.yaml").write_text("apiVersion: fleetsched/v1\n")
    return "fleetsched.yaml"


@pytest.mark.parametrize("add", [a_repository_in_it, a_linked_policy, a_linked_inventory, settings])
def test_what_would_be_loaded_is_seen_although_it_is_ignored(clone: Path, add: Callable[[Path], str]) -> None:
    hidden = add(clone)
    (clone / ".git" / "info" / "exclude").write_text(f"{hidden}\n")
    assert git(clone, "status", "--porcelain") == ""  # what Git itself would believe
    assert dirty(clone).startswith(f'"{hidden}')


def test_committed_links_inside_of_the_repository_are_followed(clone: Path) -> None:
    (clone / "envs" / "prod").mkdir(parents=True)
    (clone / "envs" / "prod" / "hosts.yaml").write_text("a:\n")
    (clone / "inventory").symlink_to("envs/prod")
    (clone / "manifests" / "b.yaml").symlink_to("a.yaml")
    merged(clone)
    assert head(clone, Trust(), fetch=True).approved
    (clone / ".git" / "info" / "exclude").write_text("cloud\n")
    (clone / "envs" / "prod" / "cloud").write_text("#!/bin/sh\n")
    (clone / "envs" / "prod" / "cloud").chmod(0o755)
    assert dirty(clone) == '"envs/prod/cloud"'


def test_names_that_are_no_text_are_compared_too(clone: Path) -> None:
    file = Path(str(clone / "manifests" / "b\udcff.yaml"))
    file.write_text("b: 1\n")
    merged(clone)
    assert head(clone, Trust(), fetch=True).approved
    file.write_text("b: 2\n")
    assert dirty(clone) == '"manifests/b?.yaml"'


def test_a_difference_is_of_the_whole_repository(clone: Path) -> None:
    git(clone, "checkout", "-b", "proposal")
    (clone / "outside.yaml").write_text("a: 1\n")
    git(clone, "add", "--all")
    git(clone, "commit", "-m", "proposal")
    git(clone, "config", "diff.relative", "true")
    branches = Branches(clone / "manifests", Trust())
    assert "outside.yaml" in branches.difference("HEAD~1", "HEAD")
    assert [change.path for change in changed_files(branches.git, "HEAD~1", "HEAD")] == ["../outside.yaml"]
