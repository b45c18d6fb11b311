# SPDX-License-Identifier: Apache-2.0
"""One lab for all workers of a run, each with hosts of its own (`pytest -n 2 --share-lab`).

For tests that mostly wait for a deadline on one host. The process that starts the workers holds the lab lock.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest

from tests.locked import LockedRun

if TYPE_CHECKING:
    from tests.real.conftest import RealLab


class SharedLab(LockedRun):
    """Brings the lab up before there are workers, and takes it down after them."""

    def __init__(self, config: pytest.Config, start: Callable[[], AbstractContextManager[RealLab]]) -> None:
        super().__init__(config)
        self._start = start

    def begin(self) -> None:
        """Bring the lab up."""
        self._lab = self.stack.enter_context(self._start())

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
