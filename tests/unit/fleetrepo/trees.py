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
    blob = git(clone, "hash-object", "-w", ".gitignore")
    mode, made = FILE, blob
    for name in reversed(names):
        mode, made = TREE, tree_of(clone, (mode, name, made))
    listed = [line.split(None, 2) for line in git(clone, "ls-tree", base).splitlines()]
    entries = [(mode.lstrip("0"), rest.split("\t")[1], rest.split("\t")[0]) for mode, _, rest in listed]
    entries.append((mode, first, made))
    entries.sort(key=lambda entry: entry[1] + ("/" if entry[0] == TREE else ""))
    return git(clone, "commit-tree", "-p", base, "-m", "a small mend", tree_of(clone, *entries))


def commit_at(clone: Path, tree: str, parents: tuple[str, ...], second: int) -> str:
    """Commit a tree at a second of the epoch; return it."""
    who = f"A <a@example.test> {second} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {who}", f"committer {who}"]
    content = "\n".join([*lines, "", "crossed", ""])
    command = ("git", "hash-object", "-t", "commit", "-w", "--stdin")
    done = subprocess.run(command, cwd=clone, input=content, capture_output=True, check=True, text=True)
    return done.stdout.strip()


def crossed(clone: Path, changed: dict[str, str]) -> tuple[str, str]:
    """Let main change files and merge a branch, which merges main and takes those changes back.

    The two have two merge bases, of which the branch's own is the newer one: from there on the branch changes
    nothing at all.

    Args:
        clone: with `origin/main` checked out.
        changed: what main changes, text by path.

    Returns:
        main as pushed, and the branch.
    """
    old = git(clone, "rev-parse", "HEAD")
    for path, text in changed.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_text(text)
    git(clone, "add", "-A")
    new = commit_at(clone, git(clone, "write-tree"), (old,), 1_000_000_000)
    git(clone, "read-tree", old)
    (clone / "lessons").mkdir(exist_ok=True)
    (clone / "lessons" / "x.md").write_text("x\n")
    git(clone, "add", "lessons/x.md")
    harmless = git(clone, "write-tree")
    theirs = commit_at(clone, harmless, (old,), 2_000_000_000)
    both = git(clone, "merge-tree", "--write-tree", new, theirs)
    tip = commit_at(clone, both, (new, theirs), 2_000_000_001)
    branch = commit_at(clone, harmless, (theirs, new), 2_000_000_002)
    git(clone, "reset", "--hard", tip)
    git(clone, "push", "origin", "HEAD:main")
    return tip, branch
