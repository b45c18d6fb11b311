# SPDX-License-Identifier: Apache-2.0
"""One lab for all workers of a run, each with hosts of its own (`pytest -n 2 --share-lab`).

For tests that mostly wait for a deadline on one host. The process that starts the workers holds the lab lock.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from fleetsched.lab.lock import machine_lock

if TYPE_CHECKING:
    from tests.real.conftest import RealLab


class SharedLab:
    """Brings the lab up before there are workers, and takes it down after them."""

    def __init__(self, config: pytest.Config, start: Callable[[], AbstractContextManager[RealLab]]) -> None:
        self._config = config
        self._start = start
        self._stack = ExitStack()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        assert isinstance(reporter, pytest.TerminalReporter)
        self._stack.enter_context(machine_lock(reporter.write_line))
        self._lab = self._stack.enter_context(self._start())

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker which lab there is, and which of its hosts are the worker's: every so many-th one."""
        number = int(node.workerinput["workerid"].removeprefix("gw"))
        workers = node.workerinput["workercount"]
        lab = self._lab
        node.workerinput["lab"] = (
            lab.name,
            str(lab.inventory),
            lab.hosts[number % workers :: workers],
            str(lab.sockets),
        )

    def pytest_unconfigure(self) -> None:
        self._stack.close()
