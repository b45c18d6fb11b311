# SPDX-License-Identifier: Apache-2.0
"""The journal of a run: JSON lines, appended and fsynced, so that an interrupted run can be explained."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fleetsched.secrets import redact_values


class Journal:
    """One run's file. `write` may be called from any thread.

    Args:
        path: the file; its folder is made, an existing file is continued.
        now: gives the current time as RFC 3339 text.

    Raises:
        OSError: the file cannot be written; the run must not start then.
    """

    def __init__(self, path: Path, now: Callable[[], str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._now = now
        self._lock = threading.Lock()
        # Without a buffer: what could not be written must not come out with the line after it.
        self._file = path.open("a+b", buffering=0)

    def write(self, event: str, **fields: Any) -> None:
        """Append one event; it is on disk when this returns.

        Raises:
            OSError: it is not. Where the disk takes that, what did come there is taken back.
        """
        line = json.dumps(redact_values({"at": self._now(), "event": event, **fields})).encode() + b"\n"
        with self._lock:
            before = os.fstat(self._file.fileno()).st_size
            left = memoryview(b"\n" + line if _is_torn(self._file) else line)
            try:
                while left:
                    left = left[self._file.write(left) :]
                os.fsync(self._file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    self._file.truncate(before)
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _is_torn(file: FileIO) -> bool:
    """Whether a crash or a full disk has left the last line without its end."""
    size = file.seek(0, os.SEEK_END)
    return size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Read a run's events. A line that was torn by a crash is left out; what was appended later is not.

    Raises:
        OSError: the file cannot be read.
    """
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
