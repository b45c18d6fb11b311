# SPDX-License-Identifier: Apache-2.0
"""One guest in each process that runs rows (`pytest -n 2`: two side by side), and one table of them all.

Of a run's processes, pytest's own and no worker holds the lab lock, keeps what is done and shows the table.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleetsched.lab import labs
from fleetsched.lab.guard import Guard
from fleetsched.lab.paths import lab_folder
from fleetsched.operations.lab import UpRequest, up
from tests.faults import kept
from tests.faults.guest import Guest
from tests.faults.rows import KERNELS, Row
from tests.faults.run import Run
from tests.faults.states import prepare, reach

DONE = pytest.StashKey[frozenset[str]]()
"""Digests of the rows that are left out."""


@dataclass
class Session:
    """The guest of this process."""

    current: str = ""
    guest: Guest | None = None
    moments: set[str] = field(default_factory=set)
    stack: ExitStack = field(default_factory=ExitStack)

    def guest_for(self, row: Row) -> Guest:
        """A guest of the row's kernel that has its moment; the one of another kernel is ended first."""
        if row.kernel != self.current:
            self.current = ""
            self.stack.close()
            self.guest, self.moments = self._start(row.kernel), {"idle"}
            self.current = row.kernel
        assert self.guest is not None
        reach(self.guest, row.moment, self.moments, print)
        return self.guest

    def _start(self, kernel: str) -> Guest:
        name = f"faults-{os.getpid()}-{kernel.replace('.', '-')}"
        lab, _ = up(UpRequest(1, kernel, name, None, Path("/")), print)
        self.stack.callback(labs.take_down, name)
        # However this process ends, the guest ends with it.
        self.stack.enter_context(Guard(lab_folder(name)))
        return prepare(lab)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--go-on", action="store_true", help="leave out rows that an earlier run of the same sources has done"
    )


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        config.stash[DONE] = frozenset(config.workerinput["done"])
        return
    config.stash[DONE] = frozenset[str](kept.load() if config.getoption("--go-on") else ())
    if not config.option.collectonly:
        config.pluginmanager.register(Run(config))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker that replaces another leaves out the same rows."""
    node.workerinput["done"] = list(node.config.stash[DONE])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    done = config.stash[DONE]
    again = [item for item in items if (row := row_of(item)) and kept.digest(row) in done]
    config.hook.pytest_deselected(items=again)
    # The kernel with the most rows last: a worker that has no rows left takes some of another's last ones,
    # and has a guest of that kernel then.
    items[:] = sorted((item for item in items if item not in again), key=_turn)


def _turn(item: pytest.Item) -> int:
    row = row_of(item)
    return -KERNELS.index(row.kernel) if row else 0


def row_of(item: pytest.Item) -> Row | None:
    """The row that a test is about."""
    row = item.callspec.params.get("row") if hasattr(item, "callspec") else None
    return row if isinstance(row, Row) else None


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """What the rows of this process share."""
    session = Session()
    with session.stack:
        yield session
