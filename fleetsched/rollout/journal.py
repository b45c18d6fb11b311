# SPDX-License-Identifier: Apache-2.0
"""The journal of a run: JSON lines, appended and fsynced, so that an interrupted run can be explained."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
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
        self._file = path.open("ab", buffering=0)
        self._cut_back(self._whole())

    def write(self, event: str, **fields: Any) -> None:
        """Append one event; it is on disk when this returns.

        Raises:
            OSError: it cannot be written; nothing of it is in the file then.
        """
        line = json.dumps(redact_values({"at": self._now(), "event": event, **fields})) + "\n"
        with self._lock:
            before = os.fstat(self._file.fileno()).st_size
            try:
                rest = line.encode()
                while rest:  # a disk that becomes full takes a part of it
                    rest = rest[self._file.write(rest) or 0 :]
                os.fsync(self._file.fileno())
            except OSError:
                self._cut_back(before)
                raise

    def _whole(self) -> int:
        """Up to where the file has whole lines: what a crash cut off would spoil the next one."""
        return self.path.read_bytes().rfind(b"\n") + 1

    def _cut_back(self, size: int) -> None:
        with contextlib.suppress(OSError):
            self._file.truncate(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Read a run's events. A last line that was cut off by a crash is left out.

    Raises:
        OSError: the file cannot be read.
    """
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            break
        events.append(event)
    return events
