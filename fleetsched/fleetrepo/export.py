# SPDX-License-Identifier: Apache-2.0
"""The files of a commit in a folder of their own, as they are committed: nothing is filtered or followed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fleetsched.documents.node import shown
from fleetsched.errors import InputError
from fleetsched.fleetrepo.git import Git

FOLDERS = ("fleetsched.yaml", "inventory", "lessons", "manifests", "policies")
"""What a fleet repository is made of."""

MOST_BYTES = 64 << 20
_FILE = ("100644", "100755")  # neither links nor submodules
# What no checkout of Git takes either. Whoever may push can make a tree with such names: Git looks at them
# when it checks out, and when it receives objects only where `fetch.fsckObjects` asks for it.
_NO_NAMES = ("", ".", "..", ".git")


@contextmanager
def exported(git: Git, commit: str, folders: Sequence[str] = FOLDERS) -> Iterator[Path]:
    """Write the fleet repository of a commit into a temporary folder, as deep in it as in the Git repository.

    Args:
        git: in the fleet repository's folder.
        commit: or tree, 40 hex digits.
        folders: what of it.

    Raises:
        InputError: its files are larger than 64 MiB, or cannot be files of one folder.
    """
    with tempfile.TemporaryDirectory(prefix="fleetsched-export-") as name:
        folder = Path(name) / git.output("rev-parse", "--show-prefix")
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in read_files(git, commit, folders).items():
            write_file(folder, commit, path, content)
        yield folder


def write_file(folder: Path, commit: str, path: str, content: bytes) -> None:
    """Write a file of a commit below a folder.

    Raises:
        InputError: its path leads elsewhere, or it cannot be written.
    """
    _refuse_path_elsewhere(commit, path)
    file = folder / path
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:  # a name that is too long, or is a file's and a folder's at once
        why = error.strerror or str(error)
        raise InputError(f"{commit[:12]}: {shown(path)} cannot be written: {why}") from error


def read_files(git: Git, commit: str, folders: Sequence[str] = FOLDERS) -> dict[str, bytes]:
    """Read the plain files of a fleet repository at a commit: content by path below its folder.

    Raises:
        InputError: they are larger than 64 MiB.
    """
    listing = git.output("ls-tree", "-r", "-z", "--long", commit, "--", *folders).split("\0")
    files: dict[str, str] = {}
    total = 0
    for entry in filter(None, listing):
        described, _, path = entry.partition("\t")
        mode, _, blob, size = described.split()
        if mode in _FILE:
            total += int(size)
            files[path] = blob
    if total > MOST_BYTES:
        raise InputError(f"{commit[:12]} has files of {total:,} bytes; {MOST_BYTES:,} are the most")
    contents = read_blobs(git, sorted(set(files.values())))
    return {path: contents[blob] for path, blob in files.items()}


def _refuse_path_elsewhere(commit: str, path: str) -> None:
    if any(name.lower() in _NO_NAMES for name in path.split("/")):
        raise InputError(
            f"{commit[:12]} has a file {shown(path)}, which would be written elsewhere than in its folder",
            remedy="somebody made that on purpose: look at who pushed it, and delete the branch",
        )


def read_blobs(git: Git, blobs: Sequence[str]) -> dict[str, bytes]:
    """Read blobs, which are there: content by name."""
    answer = git.content("cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in blobs).encode())
    contents: dict[str, bytes] = {}
    at = 0
    for blob in blobs:
        head, _, _ = answer[at:].partition(b"\n")
        at += len(head) + 1
        size = int(head.split()[2])
        contents[blob] = answer[at : at + size]
        at += size + 1
    return contents
