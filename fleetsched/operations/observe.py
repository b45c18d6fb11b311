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
        renewals: of the same size, where the leases of hosts that wait are renewed during a run.
    """

    sessions: Mapping[str, HostSession]
    executor: Executor
    renewals: Executor


@contextmanager
def reach(
    hosts: Sequence[Host], transport: Transport, files: Callable[[str], HelperFiles], forks: int
) -> Iterator[Reach]:
    """Make a session for each host; nothing is connected yet. All end with this, also on an error.

    Work that no worker has begun by then is not begun any more.
    """
    sessions = {host.name: HostSession(host, transport, files) for host in hosts}
    executors = [
        ThreadPoolExecutor(max_workers=max(1, forks), thread_name_prefix=name) for name in ("host", "lease")
    ]
    try:
        yield Reach(sessions, *executors)
    finally:
        # Before anything is closed, nothing is left in line: a worker that is freed would begin with it.
        for executor in executors:
            executor.shutdown(wait=False, cancel_futures=True)
        # This ends what a worker is still waiting for, so that the shutdown returns.
        for session in sessions.values():
            session.end()
        for executor in executors:
            executor.shutdown(wait=True)


def look_at(reached: Reach) -> dict[str, Observed]:
    """Ask every host for facts and status, in parallel. A host's trouble is its own `Observed.error`."""
    names = list(reached.sessions)
    looks = reached.executor.map(lambda name: reached.sessions[name].look(), names)
    return dict(zip(names, looks, strict=True))
