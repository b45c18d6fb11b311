# SPDX-License-Identifier: Apache-2.0
"""The journal of a run: JSON lines, appended and fsynced, so that an interrupted run can be explained."""

from __future__ import annotations

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
        self._file = path.open("a", encoding="utf-8")

    def write(self, event: str, **fields: Any) -> None:
        """Append one event; it is on disk when this returns."""
        line = json.dumps(redact_values({"at": self._now(), "event": event, **fields}))
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

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
