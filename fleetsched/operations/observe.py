# SPDX-License-Identifier: Apache-2.0
"""Look at hosts: one connection and one exec each, kept open for what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from fleetsched.model.inventory import Host
from fleetsched.model.plan import Observed
from fleetsched.rollout.session import HelperFiles, HostSession
from fleetsched.transport.interface import Transport


@dataclass(frozen=True, slots=True)
class Reach:
    """How this run reaches its hosts.

    Attributes:
        executor: where per-host work runs; its size is the number of hosts at the same time (`--forks`).
    """

    sessions: Mapping[str, HostSession]
    executor: Executor


@contextmanager
def reach(
    hosts: Sequence[Host], transport: Transport, files: Callable[[str], HelperFiles], forks: int
) -> Iterator[Reach]:
    """Make a session for each host; nothing is connected yet. All are closed at the end, also on an error."""
    sessions = {host.name: HostSession(host, transport, files) for host in hosts}
    executor = ThreadPoolExecutor(max_workers=max(1, forks), thread_name_prefix="host")
    try:
        yield Reach(sessions, executor)
    finally:
        # Closing first ends what a worker is still waiting for, so that the shutdown returns.
        for session in sessions.values():
            session.close()
        executor.shutdown(wait=True, cancel_futures=True)


def look_at(reached: Reach) -> dict[str, Observed]:
    """Ask every host for facts and status, in parallel. A host's trouble is its own `Observed.error`."""
    names = list(reached.sessions)
    looks = reached.executor.map(lambda name: reached.sessions[name].look(), names)
    return dict(zip(names, looks, strict=True))
