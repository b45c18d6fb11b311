# SPDX-License-Identifier: Apache-2.0
"""The helpers that a wheel brings along: one a kind of machine, with a manifest of what each was built from.

Nothing but Python's own library is used here: the build of the wheel checks what it packs with this file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import BuildError

BINARY = "fleetsched-host"
MANIFEST = "manifest.json"
ARCHITECTURES = ("aarch64", "x86_64")
"""Those that a wheel has, as `uname -m` says them."""

_FORMAT = 1
_INCLUDE = re.compile(r"^#include <(fleetsched/[a-z_.]+)>", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder of prebuilt helpers holds.

    Attributes:
        sources: digest of the sources they were built from, as `source_digest` gives it.
        compiler: its name and version.
        libraries: what was linked in: version by name of the Debian package.
        helpers: SHA-256 of the binary, 64 hex digits, by architecture.
    """

    sources: str
    compiler: str
    libraries: Mapping[str, str]
    helpers: Mapping[str, str]

    def text(self) -> str:
        """The file's text: the same for the same manifest."""
        document = {
            "format": _FORMAT,
            "sources": self.sources,
            "compiler": self.compiler,
            "libraries": dict(sorted(self.libraries.items())),
            "helpers": dict(sorted(self.helpers.items())),
        }
        return json.dumps(document, indent=2) + "\n"


def source_digest(sources: Path) -> str:
    """Return the SHA-256 of everything in the folder `bpf` that a helper is built from, 64 hex digits."""
    files = [*sorted((sources / "helper").glob("*")), *_headers(sources)]
    digest = hashlib.sha256()
    for file in filter(Path.is_file, files):
        name = file.relative_to(sources).as_posix().encode()
        data = file.read_bytes()
        digest.update(b"%d %d " % (len(name), len(data)) + name + data)
    return digest.hexdigest()


def _headers(sources: Path) -> list[Path]:
    """The headers that the helper's programs include, and what these include; policies have more."""
    found: set[Path] = set()
    waiting = list((sources / "helper").glob("*.bpf.c"))
    while waiting:
        named = _INCLUDE.findall(waiting.pop().read_text(encoding="utf-8"))
        new = {header for name in named if (header := sources / "include" / name).is_file()} - found
        found |= new
        waiting += new
    return sorted(found)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder of prebuilt helpers.

    Raises:
        BuildError: it is missing or damaged.
    """
    file = folder / MANIFEST
    try:
        document = json.loads(file.read_bytes())
        if document["format"] != _FORMAT:
            raise ValueError(document["format"])
        return Manifest(
            str(document["sources"]),
            str(document["compiler"]),
            dict(document["libraries"]),
            dict(document["helpers"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{file} cannot be read: {error}", remedy="build the helpers: make wheel") from error


def check_prebuilt(folder: Path, sources: Path) -> Manifest:
    """Check that a folder holds a helper for every architecture, each built from these sources.

    Raises:
        BuildError: one is missing, is not what the manifest says, or comes from other sources.
    """
    manifest = read_manifest(folder)
    remedy = "build them again: make wheel"
    if manifest.sources != source_digest(sources):
        raise BuildError(f"the helpers in {folder} were built from other sources", remedy=remedy)
    for arch in ARCHITECTURES:
        if not _fits(folder / arch / BINARY, manifest.helpers.get(arch)):
            raise BuildError(
                f"the helper for {arch} in {folder} is not what its manifest says", remedy=remedy
            )
    return manifest


def find_prebuilt(folder: Path, sources: Path, arch: str) -> Path | None:
    """Return the helper for one architecture if it is there, whole, and built from these sources.

    Args:
        folder: the prebuilt helpers.
        sources: the folder `bpf` of the same installation.
        arch: as `uname -m` says it.
    """
    if not (folder / MANIFEST).is_file():
        return None
    try:
        manifest = read_manifest(folder)
    except BuildError:
        return None  # a damaged installation can still build its helper
    binary = folder / arch / BINARY
    fits = manifest.sources == source_digest(sources) and _fits(binary, manifest.helpers.get(arch))
    return binary if fits else None


def _fits(binary: Path, digest: str | None) -> bool:
    return binary.is_file() and hashlib.sha256(binary.read_bytes()).hexdigest() == digest
