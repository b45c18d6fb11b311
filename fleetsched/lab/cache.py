# SPDX-License-Identifier: Apache-2.0
"""Things that are built once: kernels, root file systems, images, snapshots."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from fleetsched.lab.paths import cache_folder

_UNFINISHED = ".unfinished-"


def recipe_digest(recipe: object) -> str:
    """The name under which what this recipe makes is kept.

    Args:
        recipe: everything that the result depends on, as JSON can write it.
    """
    text = json.dumps(recipe, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder `key` of this kind, built now if it was never built to its end.

    Args:
        kind: one folder of the cache, for example `images`.
        key: from `recipe_digest`, or a name that says as much.
        build: fills the empty folder it is given; what it leaves there when it fails is deleted.
    """
    folder = cache_folder() / kind
    final = folder / key
    if final.is_dir():
        return final
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        for leftover in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(leftover)
        if final.is_dir():
            return final
        unfinished = folder / f"{_UNFINISHED}{key}"
        unfinished.mkdir()
        try:
            build(unfinished)
            _flush(unfinished)
            unfinished.rename(final)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return final


def _flush(folder: Path) -> None:
    """Bring the files to the disk before their name says that they are whole."""
    for file in filter(Path.is_file, folder.rglob("*")):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
