# SPDX-License-Identifier: Apache-2.0
"""Whether a folder holds what is committed, byte by byte, whatever Git was told of it.

Git's own answer depends on attributes, filters, times and the configuration, which whoever writes the folder
chooses. So only the tree is asked of it, and which files are new.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fleetsched.documents.node import shown
from fleetsched.fleetrepo.export import read_blobs
from fleetsched.fleetrepo.git import Git
from fleetsched.fleetrepo.load import MARKER, default_inventory
from fleetsched.inventory.text import is_binary, is_script, start_of
from fleetsched.model.wording import listed

_MOST_NAMED = 3
_SUBMODULE, _SYMLINK, _EXECUTABLE = "160000", "120000", "100755"  # modes of trees, git-fast-import(1)
_SHA1_DIGITS = 40
_CHUNK_BYTES = 1 << 20
# Git LFS commits this instead of a file's content, which it names: git-lfs, docs/spec.md.
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:(?P<digest>[0-9a-f]{64})\nsize [0-9]+\n"
)
_MOST_POINTER_BYTES = 1024
_LOADED, _YAML = ("manifests", "policies"), (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a tree has under a name.

    Attributes:
        mode: as Git writes it.
        name: of the object, 40 or 64 hex digits.
    """

    mode: str
    name: str


def worktree_objections(git: Git, root: Path, commit: str) -> Iterator[str]:
    """Say what is not as committed (`dirty: `), and what lies elsewhere (`submodule: `, `symlink: `).

    Args:
        git: in the folder.
        root: the fleet repository's folder; files beside it do not count.
        commit: 40 hex digits; that its trees are what their names say is judged elsewhere.
    """
    entries = _entries(git, commit)
    files = _changed(git, root, entries)
    files += [*dict.fromkeys([*_new(git, root, commit), *_hidden(root, entries)])]
    if files:
        yield f"dirty: not as committed: {listed([*map(shown, files)], _MOST_NAMED)}"
    for name, entry in entries.items():
        if entry.mode == _SUBMODULE:
            yield f"submodule: {shown(name)} is another repository, which is not followed: remove it"
        elif entry.mode == _SYMLINK and not (root / name).resolve().is_relative_to(root.resolve()):
            yield f"symlink: {shown(name)} leads out of the fleet repository: remove it"


def _entries(git: Git, commit: str) -> dict[str, _Entry]:
    """All files of the commit's tree below the folder, by path."""
    found = {}
    for line in git.content("ls-tree", "-r", "-z", commit, "--", ".").split(b"\0"):
        described, _, path = line.partition(b"\t")
        if path:
            mode, _, name = described.decode().split()
            found[os.fsdecode(path)] = _Entry(mode, name)
    return found


def _changed(git: Git, root: Path, entries: dict[str, _Entry]) -> list[str]:
    """Files that are not there with the committed content, kind and right to be run."""
    # Some file systems have no such right, which Git notes; a program's counts on those, too.
    has_rights = git.run("config", "--type=bool", "--get", "core.fileMode")[1] != "false"

    @cache
    def is_folder(path: str) -> bool:
        """Whether it is a folder below the root, and none that a link leads to."""
        return not path or (not (root / path).is_symlink() and is_folder(path.rpartition("/")[0]))

    other: list[str] = []  # content
    wrong: set[str] = set()
    for path, entry in entries.items():
        if entry.mode == _SUBMODULE:
            continue
        file = root / path
        try:
            kind_fits = is_folder(path.rpartition("/")[0]) and _fits(file, entry.mode, has_rights=has_rights)
            if not kind_fits:
                wrong.add(path)
            elif _object_name(file, entry) != entry.name:
                other.append(path)
        except OSError:
            wrong.add(path)
    wrong |= {*other} - {*_in_lfs(git, root, entries, other)}
    return [path for path in entries if path in wrong]


def _fits(file: Path, mode: str, *, has_rights: bool) -> bool:
    state = file.lstat()
    if mode == _SYMLINK:
        return stat.S_ISLNK(state.st_mode)
    if not stat.S_ISREG(state.st_mode):
        return False
    as_committed = bool(state.st_mode & stat.S_IXUSR) == (mode == _EXECUTABLE)
    return as_committed or not (has_rights or _is_program(file))


def _is_program(file: Path) -> bool:
    start = start_of(file)
    return is_script(start) or is_binary(start)


def _object_name(file: Path, entry: _Entry) -> str:
    """The name that Git would give to the content of a file or link, unconverted."""
    if entry.mode == _SYMLINK:
        return _named(os.fsencode(file.readlink()), entry)
    with file.open("rb") as stream:
        digest = _digest(entry, os.fstat(stream.fileno()).st_size)
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _named(content: bytes, entry: _Entry) -> str:
    digest = _digest(entry, len(content))
    digest.update(content)
    return digest.hexdigest()


def _digest(entry: _Entry, size: int) -> hashlib._Hash:
    """Begin the name of a blob, in the entry's format."""
    algorithm = "sha1" if len(entry.name) == _SHA1_DIGITS else "sha256"
    return hashlib.new(algorithm, b"blob %d\0" % size, usedforsecurity=False)


def _in_lfs(git: Git, root: Path, entries: dict[str, _Entry], paths: Iterable[str]) -> Iterator[str]:
    """Those of the files whose content is what a committed pointer of Git LFS names."""
    names = {path: entries[path].name for path in paths if entries[path].mode != _SYMLINK}
    if not names:
        return
    asked = "".join(f"{name}\n" for name in sorted({*names.values()}))
    answers = [
        line.split() for line in git.output("cat-file", "--batch-check", stdin=asked.encode()).splitlines()
    ]
    small = [line[0] for line in answers if line[1] == "blob" and int(line[2]) <= _MOST_POINTER_BYTES]
    contents = read_blobs(git, small)
    for path, name in names.items():
        committed = contents.get(name, b"")
        pointer = _POINTER.fullmatch(committed)
        if not pointer or _named(committed, entries[path]) != name:  # Git believes its own store
            continue
        if _sha256(root / path) == pointer["digest"].decode():
            yield path


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _new(git: Git, root: Path, commit: str) -> list[str]:
    """Files that no commit has, but for those that are ignored, which do not count."""
    # The user's index may call them known, so it is one of our own.
    with tempfile.TemporaryDirectory(prefix="fleetsched-index-") as folder:
        fresh = Git(root, {"GIT_INDEX_FILE": str(Path(folder) / "index")})
        fresh.output("-c", "core.sparseCheckout=false", "read-tree", commit)
        listing = fresh.content("ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    return [os.fsdecode(path) for path in listing.split(b"\0") if path]


def _hidden(root: Path, entries: dict[str, _Entry]) -> Iterator[str]:
    """Files that no commit has and that would be loaded or run, although Git may be told to ignore them."""
    top = root.resolve()
    objected = tuple(f"{name}/" for name, entry in entries.items() if entry.mode == _SUBMODULE)

    def new(place: Path) -> Iterator[str]:
        found = _below(place, top)
        return (path for path in found if path not in entries and not path.startswith(objected))

    if MARKER not in entries and os.path.lexists(root / MARKER):
        yield MARKER
    for folder in _LOADED:
        yield from (path for path in new(Path(folder)) if path.endswith(_YAML) or (root / path).is_dir())
    for inventory in default_inventory(root):
        place = os.path.relpath(inventory, root)
        if not place.startswith(".."):
            yield from (path for path in new(Path(place)) if os.access(root / path, os.X_OK))


def _below(place: Path, top: Path) -> Iterator[str]:
    """Files and links in a place that are not hidden, and links on the way there, by path below `top`.

    Links are followed as far as they stay below it.
    """
    yield from (str(way) for way in (place, *place.parents) if (top / way).is_symlink())
    waiting, seen = [top / place], set[str]()
    while waiting:
        real = os.path.realpath(waiting.pop())
        if real in seen or not Path(real).is_relative_to(top):
            continue
        seen.add(real)
        before = len(f"{top}/")
        if Path(real).is_file():
            yield real[before:]
            continue
        with suppress(OSError), os.scandir(real) as listing:  # what cannot be read is not loaded either
            for entry in listing:
                is_link = entry.is_symlink()
                is_folder = entry.is_dir()
                if not entry.name.startswith("."):
                    yield from [entry.path[before:]] if is_link or not is_folder else []
                    waiting += [Path(entry.path)] if is_link or is_folder else []
