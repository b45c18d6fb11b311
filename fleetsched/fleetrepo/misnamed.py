# SPDX-License-Identifier: Apache-2.0
"""Whether objects of a Git repository are what their names say.

Git computes an object's name when it receives it and believes its own store afterwards. A folder that came
from elsewhere with its `.git` may hold another tree under the name of an approved commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from io import BytesIO

from fleetsched.documents.node import shown
from fleetsched.fleetrepo.git import Git

_SHA1_DIGITS = 40


def misnamed_objects(git: Git, commit: str) -> Iterator[str]:
    """Judge a commit and its trees down to the folder's files, which are compared by content elsewhere."""
    prefix = git.output("rev-parse", "--show-prefix").split("/")[:-1]
    above = ["/".join(prefix[:length]) for length in range(len(prefix) + 1)]
    below = git.output("ls-tree", "-r", "-d", "-z", "--format=%(objecttype) %(objectname)", commit, "--", ".")
    trees = [entry.removeprefix("tree ") for entry in below.split("\0") if entry.startswith("tree ")]
    yield from _misnamed(git, [commit, *(f"{commit}:{path}" for path in above), *trees])


def misnamed_commits(git: Git, commit: str, tip: str) -> Iterator[str]:
    """Judge every commit by which `commit` can be reached from `tip`."""
    between = git.output("rev-list", "--ancestry-path", f"{commit}..{tip}").splitlines()
    yield from _misnamed(git, [tip, *between])


def _misnamed(git: Git, objects: Iterable[str]) -> Iterator[str]:
    asked = "".join(f"{name}\n" for name in objects)
    answers = BytesIO(git.content("cat-file", "--batch", stdin=asked.encode()))
    for header in answers:
        name, *described = header.decode(errors="replace").split()
        if len(described) != len(("type", "size")):
            yield f"forged: the object {shown(name)} is not there"
            continue
        kind, size = described
        content = answers.read(int(size))
        answers.read(1)  # the newline after it
        digest = hashlib.new("sha1" if len(name) == _SHA1_DIGITS else "sha256", usedforsecurity=False)
        digest.update(f"{kind} {size}\0".encode() + content)
        if digest.hexdigest() != name:
            yield f"forged: the {kind} {name[:12]} is not what its name says"
