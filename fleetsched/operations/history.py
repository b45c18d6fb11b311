# SPDX-License-Identifier: Apache-2.0
"""What hosts remember of themselves: trials, confirmations, ejections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleetsched.errors import HostError
from fleetsched.model.state import HistoryEntry
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.observe import reach
from fleetsched.operations.plan import EVERY_HOST, Selection, select
from fleetsched.rollout.session import HostSession


@dataclass(frozen=True, slots=True)
class Remembered:
    """What one host remembers.

    Attributes:
        entries: oldest first.
        error: why it could not be asked; empty when it could.
    """

    entries: tuple[HistoryEntry, ...] = ()
    error: str = ""


def history(
    access: FleetAccess, only: Selection = EVERY_HOST, *, most: int = 200
) -> Mapping[str, Remembered]:
    """Ask the selected hosts, in inventory order.

    Args:
        access: the fleet repository, and the way to its hosts.
        only: which hosts.
        most: the newest so many entries of each.

    Raises:
        InputError: the pattern names no host or group.
    """

    def ask(session: HostSession) -> Remembered:
        try:
            return Remembered(session.helper().history(most))
        except HostError as error:
            return Remembered(error=error.message)

    hosts = select(access.fleet, only)
    with reach(hosts, access.transport, access.helper_files, access.forks) as reached:
        found = reached.executor.map(ask, reached.sessions.values())
        return dict(zip(reached.sessions, found, strict=True))
