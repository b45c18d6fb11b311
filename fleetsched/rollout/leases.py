# SPDX-License-Identifier: Apache-2.0
"""Renewing the leases of a run's hosts while nobody works on them: before their step, and after their own.

A host's own work takes its lease for as long as its trial may last. Where a host waits longer, for others to
bake, it is renewed from here; so every lease ends soon after its controller.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from fleetsched.errors import HelperError, HostError, LeaseHeldError
from fleetsched.rollout.run import HostEvent, Run

LOOK_EVERY_S = 5.0
"""How often it is looked what is due: work that ends at a trial's deadline leaves what LEASE_MARGIN_S was."""

DUE = 0.5
"""The share of a lease that may pass until it is renewed."""

DUE_AGAIN = 0.25
"""The share of a lease after which it is tried again when the host could not be asked."""

NOT_RENEWED = "lease not renewed"
LOST = "lease lost"


@contextmanager
def kept_leases(run: Run) -> Iterator[None]:
    """Renew leases in time while this is open, in a thread that ends with it.

    A renewal that is under way then comes to its end, or fails when its session is closed.
    """
    ended = threading.Event()
    keeper = LeaseKeeper(run, ended)

    def keep() -> None:
        while not ended.wait(LOOK_EVERY_S):
            keeper.look()

    # A daemon, for the case that a second Ctrl-C comes before the first has told it to end.
    thread = threading.Thread(target=keep, name="leases", daemon=True)
    try:
        thread.start()
        yield
    finally:
        ended.set()
        if thread.is_alive():
            thread.join()


@dataclass(frozen=True, slots=True)
class _Renewal:
    """How it went: when it is due next (seconds), and what a person should know; empty = nothing."""

    next_s: float
    word: str = ""
    why: str = ""


class LeaseKeeper:
    """Knows which leases are due. One thread calls `look`; renewals are done in `run.renewals`.

    Args:
        run: whose leases.
        ended: set when none is to be renewed any more.
        clock: seconds that only rise.
    """

    def __init__(self, run: Run, ended: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._ended = ended
        self._clock = clock
        self._due: dict[str, float] = {}  # by host, on the clock
        self._under_way: dict[str, Future[_Renewal]] = {}
        self._told: dict[str, str] = {}  # the word that people know of a host

    def look(self) -> None:
        """Begin to renew what is due on hosts that nobody works on. No host is waited for."""
        for host in self._run.sessions:
            if self._ended.is_set():
                return
            if self._is_due(host):
                self._under_way[host] = self._run.renewals.submit(self._renew, host)

    def _is_due(self, host: str) -> bool:
        now = self._clock()
        if renewal := self._under_way.get(host):
            if not renewal.done():
                return False
            del self._under_way[host]
            self._due[host] = now + self._told_of(host, renewal)
        with self._run.sessions.use_idle(host) as session:
            if session is None or session.token is None:
                return False
            return now >= self._due.setdefault(host, now + DUE * session.lease_s)

    def _told_of(self, host: str, renewal: Future[_Renewal]) -> float:
        """Tell what is new about a host's lease; return the seconds until it is due."""
        error = renewal.exception()
        if error:  # a defect of ours: named as such on its host, and the other leases are kept
            made = _Renewal(LOOK_EVERY_S, NOT_RENEWED, f"internal error: {error!r}")
        else:
            made = renewal.result()
        if made.word != self._told.get(host, ""):
            self._told[host] = made.word
            word = made.word or "lease renewed"
            self._run.journal.write(word.replace(" ", "-"), host=host, why=made.why)
            self._run.report(HostEvent(host, word, made.why))
        return made.next_s

    def _renew(self, host: str) -> _Renewal:
        with self._run.sessions.use_idle(host) as session:
            if session is None or session.token is None or self._ended.is_set():
                return _Renewal(0.0, self._told.get(host, ""))
            try:
                session.take_lease(self._run.owner, session.lease_s)
            except LeaseHeldError as error:
                return _Renewal(math.inf, LOST, error.message)
            except (HostError, TimeoutError) as error:
                why = getattr(error, "message", "") or str(error)
                if isinstance(error, HelperError) and error.code == "lease-lost":
                    return _Renewal(math.inf, LOST, why)
                session.close()  # the host's own work begins on a new connection, as if this had not been
                return _Renewal(DUE_AGAIN * session.lease_s, NOT_RENEWED, why)
            return _Renewal(DUE * session.lease_s)
