# SPDX-License-Identifier: Apache-2.0
"""A guest of each kernel, one after the other, and the table that is shown and kept at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetsched.lab import labs
from fleetsched.lab.guard import Guard
from fleetsched.lab.lock import machine_lock
from fleetsched.lab.paths import lab_folder
from fleetsched.operations.lab import UpRequest, up
from tests.faults import kept
from tests.faults.guest import Guest
from tests.faults.judge import Result
from tests.faults.report import SAFETY, provenance, text_table, with_lines
from tests.faults.rows import KERNELS, Row, rows
from tests.faults.states import prepare, reach


@dataclass
class Session:
    """What this run has, and what it found."""

    say: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)
    results: list[Result] = field(default_factory=list)
    current: str = ""
    guest: Guest | None = None
    stack: ExitStack = field(default_factory=ExitStack)
    wanted: dict[str, set[str]] = field(default_factory=dict)

    def guest_of(self, kernel: str) -> Guest:
        """The guest of this kernel; the one of another kernel is ended first."""
        if kernel != self.current:
            self.stack.close()
            self.guest, self.current = self._start(kernel), kernel
        assert self.guest is not None
        return self.guest

    def _start(self, kernel: str) -> Guest:
        name = f"faults-{os.getpid()}-{kernel.replace('.', '-')}"
        lab, _ = up(UpRequest(1, kernel, name, None, Path("/")), self.say)
        self.stack.callback(labs.take_down, name)
        # However this process ends, the guest ends with it.
        self.stack.enter_context(Guard(lab_folder(name)))
        guest = prepare(lab)
        reach(guest, sorted(self.wanted[kernel]), self.say)
        return guest


_sessions: list[Session] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--go-on", action="store_true", help="leave out rows that an earlier run of the same sources has done"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--go-on"):
        if not config.option.collectonly:
            kept.forget()
        return
    done = kept.load()
    again = [item for item in items if (row := row_of(item)) and kept.digest(row) in done]
    config.hook.pytest_deselected(items=again)
    items[:] = [item for item in items if item not in again]


def row_of(item: pytest.Item) -> Row | None:
    """The row that a test is about."""
    row = item.callspec.params.get("row") if hasattr(item, "callspec") else None
    return row if isinstance(row, Row) else None


@pytest.fixture(scope="session")
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """The lab lock is held for the whole run."""
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")

    def say(line: str) -> None:
        reporter.write_line(f"  {line}")

    session = Session(say)
    for item in request.session.items:
        if row := row_of(item):
            session.wanted.setdefault(row.kernel, set()).add(row.moment)
    _sessions.append(session)
    with machine_lock(say):
        try:
            yield session
        finally:
            session.stack.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the table, and keep it when it is whole and nothing was lost."""
    for session in _sessions:
        minutes = (time.monotonic() - session.began) / 60
        terminalreporter.section(f"fault table: {len(session.results)} rows in {minutes:.0f} minutes")
        terminalreporter.write_line(text_table(session.results))
        done = kept.add(session.results)
        missing = [row for row in rows() if kept.digest(row) not in done]
        if missing:
            terminalreporter.write_line(
                f"docs/safety.md stays as it is: {len(missing)} rows are not done "
                "(`pytest tests/faults --go-on` leaves out those that are)"
            )
        else:
            lines = [done[kept.digest(row)] for row in rows()]
            tested = provenance(datetime.now(UTC), KERNELS)
            document = SAFETY.read_text(encoding="utf-8")
            SAFETY.write_text(with_lines(document, lines, tested), encoding="utf-8")
            terminalreporter.write_line("docs/safety.md was written")
