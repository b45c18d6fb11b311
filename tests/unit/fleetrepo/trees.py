# SPDX-License-Identifier: Apache-2.0
"""Trees that no checkout would make, and any push may bring."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.unit.git_repository import git

TREE, FILE = "40000", "100644"


def tree_of(clone: Path, *entries: tuple[str, str, str]) -> str:
    """Store a tree with these entries (mode, name, object) as they are; return it."""
    content = b"".join(
        mode.encode() + b" " + name.encode() + b"\0" + bytes.fromhex(object_)
        for mode, name, object_ in entries
    )
    command = ("git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
    done = subprocess.run(command, cwd=clone, input=content, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit_with(clone: Path, path: str, *, base: str = "HEAD") -> str:
    """Commit a file of any path, whose first name must not be there yet, on top of `base`; return it."""
    first, *names = path.split("/")
    blob = git(clone, "hash-object", "-w", "manifests/a.yaml")
    mode, made = FILE, blob
    for name in reversed(names):
        mode, made = TREE, tree_of(clone, (mode, name, made))
    listed = [line.split(None, 2) for line in git(clone, "ls-tree", base).splitlines()]
    entries = [(mode.lstrip("0"), rest.split("\t")[1], rest.split("\t")[0]) for mode, _, rest in listed]
    entries.append((mode, first, made))
    entries.sort(key=lambda entry: entry[1] + ("/" if entry[0] == TREE else ""))
    return git(clone, "commit-tree", "-p", base, "-m", "a small mend", tree_of(clone, *entries))
