# SPDX-License-Identifier: Apache-2.0
"""What this process does to the outside, seen by the interpreter's own audit events."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Where in an event's arguments a path is, and where the folder that it is relative to.
_PATHS = {
    "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.chmod": ((0, 2),),
}


@dataclass
class Seen:
    """Paths that were written to, addresses that were connected to, programs that were started."""

    written: list[Path] = field(default_factory=list)
    connected: list[Any] = field(default_factory=list)
    started: list[Any] = field(default_factory=list)


_watching: list[Seen] = []
_hooked: list[bool] = []


@contextmanager
def watched() -> Iterator[Seen]:
    """Watch what happens meanwhile, in every thread. A hook cannot be taken back, so there is one for all."""
    if not _hooked:
        sys.addaudithook(_hear)
        _hooked.append(True)
    seen = Seen()
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    for seen in _watching:
        if event == "open" and isinstance(arguments[0], str | bytes) and (arguments[2] or 0) & _WRITING:
            seen.written.append(_path(arguments[0], -1))
        elif event in _PATHS:
            seen.written.extend(_path(arguments[path], arguments[folder]) for path, folder in _PATHS[event])
        elif event == "socket.connect":
            seen.connected.append(arguments[1])
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"):
            seen.started.append(arguments)


def _path(path: Any, folder: int) -> Path:
    if isinstance(path, int):
        return Path(f"/proc/self/fd/{path}").readlink()
    base = Path(f"/proc/self/fd/{folder}").readlink() if folder >= 0 else Path.cwd()
    return base / os.fsdecode(path)
