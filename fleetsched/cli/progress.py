# SPDX-License-Identifier: Apache-2.0
"""Live progress by host: a table on a terminal, plain lines otherwise, or JSON records."""

from __future__ import annotations

import json
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fleetsched.model.wording import printable
from fleetsched.secrets import redact, redact_values
from fleetsched.views.records import event_record

if TYPE_CHECKING:
    from fleetsched.rollout.run import HostEvent


class RunConsole(Console):
    """Standard output during a run."""

    def on_broken_pipe(self) -> None:
        """Go on in silence when the reader has gone: a run is not left half-way for that, as rich would."""
        self.quiet = True


class Progress:
    """Shows host events. `report` may be called from any thread.

    Words that end a host's work, or that a later reader wants to find, stay on the screen as lines; the
    table shows what each host does now.
    """

    _LASTING = frozenset(
        {"cannot", "enabled", "confirmed", "failed", "unreachable", "reverted", "interrupted", "lease lost"}
    )

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._now: dict[str, tuple[str, str]] = {}
        self._live = Live(console=console, transient=True) if console.is_terminal else None

    def running(self) -> AbstractContextManager[object]:
        """Show the table while this is open."""
        return self._live or nullcontext()

    def report(self, event: HostEvent) -> None:
        """Show one event."""
        with self._lock:
            if self._live is None or event.word in self._LASTING or event.word.endswith("rolled back"):
                said = f"{time.strftime('%H:%M:%S')}  {event.host:<12} {event.word}: {event.detail}"
                line = redact(printable(said))
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)
            if self._live is not None and event.host:
                self._now[event.host] = (event.word, event.detail)
                self._live.update(self._table())

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("HOST", "NOW", ""):
            table.add_column(heading, overflow="ellipsis", no_wrap=True)
        for host, (word, detail) in self._now.items():
            table.add_row(host, word, detail)
        return table


class EventRecords:
    """Writes host events as JSON records, one a line. `report` may be called from any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._gone = False

    def running(self) -> AbstractContextManager[object]:
        """There is nothing to be drawn meanwhile."""
        return nullcontext()

    def report(self, event: HostEvent) -> None:
        """Write one event. When the reader has gone the run goes on in silence."""
        at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        record = event_record(at, event.host, event.word, event.detail)
        with self._lock:
            if not self._gone:
                try:
                    self._stream.write(json.dumps(redact_values(record)) + "\n")
                    self._stream.flush()
                except BrokenPipeError:
                    self._gone = True
