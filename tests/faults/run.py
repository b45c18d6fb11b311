# SPDX-License-Identifier: Apache-2.0
"""A run of the fault table as a whole, seen from the process that hears of every row."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.faults import kept
from tests.faults.report import SAFETY, Told, provenance, text_table, with_lines
from tests.faults.rows import KERNELS, rows
from tests.locked import LockedRun

PROPERTY = "row"
"""The name under which a test tells of its row (`record_property`)."""


class Run(LockedRun):
    """Keeps the rows that are done, and shows the table at the end."""

    def __init__(self, config: pytest.Config) -> None:
        super().__init__(config)
        self._began = time.monotonic()
        self._rows = {row.key: row for row in rows()}
        self._told: dict[str, Told] = {}

    def begin(self) -> None:
        """Count from here: waiting for the lock is no part of it."""
        self._began = time.monotonic()
        if not self.config.getoption("--go-on"):
            kept.forget()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        value = dict(report.user_properties).get(PROPERTY)
        if report.when == "call" and isinstance(value, dict):
            told = self._told[value["key"]] = Told(**value)
            if told.settled:
                kept.add(self._rows[told.key], told.line)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the table, and write it down when it is whole and nothing was lost."""
        minutes = (time.monotonic() - self._began) / 60
        terminalreporter.section(f"fault table: {len(self._told)} rows in {minutes:.0f} minutes")
        terminalreporter.write_line(text_table([self._told[key] for key in self._rows if key in self._told]))
        done = kept.load()
        missing = [row for row in rows() if kept.digest(row) not in done]
        if missing:
            terminalreporter.write_line(
                f"docs/safety.md stays as it is: {len(missing)} rows are not done "
                "(`pytest tests/faults --go-on` leaves out those that are)"
            )
            return
        lines = [done[kept.digest(row)] for row in rows()]
        tested = provenance(datetime.now(UTC), KERNELS)
        document = SAFETY.read_text(encoding="utf-8")
        SAFETY.write_text(with_lines(document, lines, tested), encoding="utf-8")
        terminalreporter.write_line("docs/safety.md was written")
