# SPDX-License-Identifier: Apache-2.0
"""The inventories of an approved commit, for judging another one: nothing that the other one names is read.

What is checked out belongs to whoever made it, and may be a link to any file of this machine, or into `.git`,
whose words would end up in what is said of it. So files and links are those of the commit, and links are
followed inside of its tree. Files that Git ignores, such as that of `fleetsched lab`, are the user's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleetsched.documents.node import shown
from fleetsched.errors import InputError
from fleetsched.fleetrepo.export import MOST_BYTES, read_blobs, write_file
from fleetsched.fleetrepo.git import Git
from fleetsched.inventory.variables import FOLDERS

_PROGRAM, _LINK = "100755", "120000"
_MOST_LINKS = 200


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    is_program: bool


@dataclass(frozen=True, slots=True)
class ApprovedInventory:
    """Inventories by the paths that they have in a checkout.

    Attributes:
        top: the checkout's top folder.
        prefix: the fleet repository's folder below it.
        inside: inventories of the repository, by their paths below `top`.
        outside: those that lie elsewhere, where they are.
        commit: of the files.
        files: by their paths below `top`.
        own: of the user, which Git ignores, by their paths below `top`.
    """

    top: Path
    prefix: str
    inside: tuple[str, ...]
    outside: tuple[Path, ...]
    commit: str
    files: Mapping[str, _File]
    own: tuple[str, ...]

    def write(self, folder: Path) -> list[Path]:
        """Put them where a fleet repository's folder, exported, names them; return them.

        Raises:
            InputError: a file cannot be written.
        """
        above = folder.parents[len(Path(self.prefix).parts) - 1] if self.prefix else folder
        for path, file in self.files.items():
            write_file(above, self.commit, path, file.content)
            if file.is_program:
                (above / path).chmod(0o755)  # so that it is found to be one; it is not run
        for path in self.own:
            with suppress(OSError):  # the commit has something else of that name, which comes first
                (above / path).parent.mkdir(parents=True, exist_ok=True)
                (above / path).symlink_to(self.top / path)
        return [*(above / path for path in self.inside), *self.outside]


def approved_inventory(git: Git, commit: str, paths: Sequence[Path]) -> ApprovedInventory:
    """Read inventories at a commit.

    Args:
        git: in the fleet repository's folder.
        commit: an approved one.
        paths: where that commit's `fleetsched.yaml` says they are, in the checkout or outside of it.

    Raises:
        InputError: one is a link out of the repository, or they are larger than 64 MiB.
    """
    top = Path(git.output("rev-parse", "--show-toplevel"))
    by_path = {path: _below(top, path) for path in paths}
    inside = tuple(path for path in by_path.values() if path is not None)
    beside = [str(Path(parent, name)) for path in inside for parent in _parents(path) for name in FOLDERS]
    wanted = sorted({*inside, *beside})
    at_top = Git(top, {"GIT_LITERAL_PATHSPECS": "1"})
    return ApprovedInventory(
        top,
        git.output("rev-parse", "--show-prefix").rstrip("/"),
        inside,
        tuple(path for path, below in by_path.items() if below is None),
        commit,
        _committed(at_top, commit, wanted) if wanted else {},
        _ignored(at_top, wanted) if wanted else (),
    )


def _below(top: Path, path: Path) -> str | None:
    """The path from the repository's top by its words alone: no link of the checkout is followed."""
    path = Path(os.path.normpath(path))
    for above in (path, *path.parents):
        with suppress(OSError):  # it is not there, or not to be seen
            if above.samefile(top):
                return str(path.relative_to(above))
    return None


def _parents(path: str) -> tuple[str, str]:
    """Where variables may stand: in an inventory that is a folder, and beside one that is a file."""
    return path, str(Path(path).parent)


def _ignored(git: Git, paths: Sequence[str]) -> tuple[str, ...]:
    listing = git.output("ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--", *paths)
    return tuple(path for path in listing.split("\0") if path and not path.endswith("/"))


def _committed(git: Git, commit: str, paths: Sequence[str]) -> dict[str, _File]:
    found: dict[str, tuple[str, str, int]] = {}
    links = 0
    listed = [entry for path in paths for entry in _at(git, commit, path)]
    while listed:
        path, mode, blob, size = listed.pop()
        if mode == _LINK:
            links += 1
            if links > _MOST_LINKS:
                raise InputError(f"{commit[:12]}: more than {_MOST_LINKS} links among inventories")
            listed += _followed(git, commit, path)
        elif blob:
            found[path] = (mode, blob, size)
    if sum(size for _, _, size in found.values()) > MOST_BYTES:
        raise InputError(f"{commit[:12]}: inventories of more than {MOST_BYTES:,} bytes")
    contents = read_blobs(git, sorted({blob for _, blob, _ in found.values()}))
    return {path: _File(contents[blob], mode == _PROGRAM) for path, (mode, blob, _) in found.items()}


_Entry = tuple[str, str, str, int]  # path, mode, object (none for what is no file), size


def _at(git: Git, commit: str, path: str) -> Iterator[_Entry]:
    """The files and links at a path and below it, also where it leads through a link."""
    entries = list(_tree(git, commit, *([] if path == "." else [path])))
    yield from entries or _followed(git, commit, path)


def _tree(git: Git, tree: str, *paths: str, below: str = "") -> Iterator[_Entry]:
    start = f"{below}/" if below else ""
    for entry in filter(None, git.output("ls-tree", "-r", "-z", "--long", tree, "--", *paths).split("\0")):
        described, _, path = entry.partition("\t")
        mode, kind, name, size = described.split()
        is_file = kind == "blob"
        yield start + path, mode, name if is_file else "", int(size) if is_file else 0


def _followed(git: Git, commit: str, path: str) -> Iterator[_Entry]:
    """What a link leads to, under its own path. Git follows it in the commit's tree."""
    place = f"{commit}:{path}"
    answer = git.output("cat-file", "--batch-check", "--follow-symlinks", stdin=f"{place}\n".encode())
    name, kind, *size = answer.split("\n")[0].split(" ")
    if kind == "blob":
        yield path, "", name, int(size[0])
    elif kind == "tree":
        yield from _tree(git, name, below=path)
    elif name == "symlink":
        raise InputError(
            f"{commit[:12]}: {shown(path)} among inventories is a link that leads out of the repository",
            remedy="put the file itself there, or name inventories with -i",
        )
    # Else it leads nowhere, and is no inventory: the reader says so of what fleetsched.yaml names.
