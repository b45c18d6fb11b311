# SPDX-License-Identifier: Apache-2.0
"""What all parts of one run share: its name, ways to hosts, journal, and a person's wish to stop."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from fleetsched.rollout.journal import Journal
from fleetsched.rollout.session import Sessions
from fleetsched.rollout.signatures import NoSignatures, Signatures

LEASE_MARGIN_S = 30.0
"""How long a host's lease outlives the deadline of the trial that it covers."""


@dataclass(frozen=True, slots=True)
class HostEvent:
    """Progress of one host, for views: a word, and a detail for people."""

    host: str
    word: str
    detail: str


class StopRequest:
    """A person's wish to stop at the next safe point. `request` may be called from a signal handler."""

    def __init__(self) -> None:
        self.requested = False
        self._inbox: queue.SimpleQueue[None] | None = None

    def request(self) -> None:
        """Ask for it, once or more often."""
        self.requested = True
        if self._inbox is not None:
            self._inbox.put(None)

    def tell(self, inbox: queue.SimpleQueue[Any]) -> None:
        """Wake up whoever waits on this inbox when the wish comes; None is what it gets."""
        self._inbox = inbox


@dataclass(frozen=True, slots=True)
class Run:
    """What every part of one run shares.

    Attributes:
        id: names the run on every host and in the journal.
        owner: who holds the leases, for whoever is refused by them: `user@machine, run ID`.
        revision: the commit that the plan was made of.
        sessions: the ways to the hosts.
        objects: the policies' bytes by digest.
        executor: where work on hosts is done.
        renewals: where leases of hosts that wait are renewed: `executor` may be full of work for an hour.
        stop: set when a person wants the run to end early.
        signatures: for the hosts that take only signed assignments.
    """

    id: str
    owner: str
    revision: str
    sessions: Sessions
    objects: Mapping[str, bytes]
    executor: Executor
    renewals: Executor
    journal: Journal
    report: Callable[[HostEvent], None]
    stop: StopRequest = field(default_factory=StopRequest)
    signatures: Signatures = field(default_factory=NoSignatures)

    def lease(self, host: str, deadline_s: float) -> int:
        """Take or renew a host's lease so that it outlives a trial of `deadline_s`; return its token.

        The token stands in the journal before anything is done with it: whoever goes on after this process
        was killed has the same right.

        Raises:
            LeaseHeldError: another run has it.
            HostError: the host cannot be asked.
        """
        with self.sessions.use(host) as session:
            before = session.token
            token = session.take_lease(self.owner, deadline_s + LEASE_MARGIN_S)
            if token != before:
                self.journal.write("lease", host=host, token=token)
            return token

    def give_back(self, hosts: Iterable[str]) -> None:
        """Give the leases of hosts back on which nothing is to be done any more."""

        def drop(host: str) -> None:
            with self.sessions.use(host) as session:
                session.drop_lease()

        list(self.executor.map(drop, hosts))

    def report_of(self, host: str) -> Callable[[str, str], None]:
        """What tells of one host: called with a word and a detail for people."""

        def report(word: str, detail: str) -> None:
            self.report(HostEvent(host, word, detail))

        return report
