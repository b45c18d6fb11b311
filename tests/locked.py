# SPDX-License-Identifier: Apache-2.0
"""The lab lock for a run with workers: the process that starts them holds it, and they inherit it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from fleetsched.lab.lock import machine_lock


class LockedRun:
    """Holds the lab lock from before there are workers until they have ended.

    Attributes:
        stack: what ends with the run, before the lock is let go.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.stack = ExitStack()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Wait for the lock, then begin."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        assert isinstance(reporter, pytest.TerminalReporter)
        self.stack.enter_context(machine_lock(reporter.write_line))
        self.begin()

    def begin(self) -> None:
        """What has to be there before the workers."""
        raise NotImplementedError

    def pytest_unconfigure(self) -> None:
        self.stack.close()
