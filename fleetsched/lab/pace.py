# SPDX-License-Identifier: Apache-2.0
"""Whether a machine's time goes on while nobody waits for it.

The clock of a machine with `-icount sleep=off` jumps from timer to timer when its CPUs are idle: hundreds of
its seconds in one of ours (seen: 230 to 620). While a caller thinks, leases and deadlines in it would pass.
So it stands still then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fleetsched.errors import LabError
from fleetsched.lab.monitor import Monitor


class Pace:
    """A machine that runs all the time."""

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """While the block runs, somebody waits for the machine."""
        yield

    def close(self) -> None:
        """Let the machine be as it is."""


class OnlyAwaited(Pace):
    """The stopped machine in `folder`, which runs only while somebody waits for it.

    Raises:
        LabError: it does not answer.
    """

    def __init__(self, folder: Path) -> None:
        self._monitor = Monitor(folder)
        self._lock = threading.Lock()
        self._waiting = 0

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """While the block runs, somebody waits for the machine: it runs."""
        self._count(1, "cont")
        try:
            yield
        finally:
            self._count(-1, "stop")

    def close(self) -> None:
        """Leave the machine as it is."""
        self._monitor.close()

    def _count(self, change: int, command: str) -> None:
        with self._lock:
            alone = self._waiting == (0 if change > 0 else 1)
            self._waiting += change
            # That it has ended is told by whoever waits for it.
            with suppress(LabError):
                if alone:
                    self._monitor.command(command)
