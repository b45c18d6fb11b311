# SPDX-License-Identifier: Apache-2.0
"""What the status page shows: the newest `Standing`, put together once a cycle and never changed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from fleetsched.errors import FleetschedError
from fleetsched.model.cycle import Cycle, Event
from fleetsched.model.dossier import Dossier
from fleetsched.model.standing import Live, Standing, groups_of, hosts_of
from fleetsched.model.timestamp import rfc3339
from fleetsched.rollout.run import HostEvent
from fleetsched.secrets import redact

MOST_EVENTS = 500
_SLACK, _LEAST_SLACK_S = 3, 120.0


class Board:
    """Watches the loop; threads may ask it at any time.

    Args:
        interval_s: of the loop; what is older than three of them, and two minutes, is not fresh.
        events: of before, oldest first.
        dossiers: puts together what is known of the policies of the clone.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        interval_s: float,
        events: Sequence[Event] = (),
        dossiers: Callable[[], Mapping[str, Dossier]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._standing = Standing(events=tuple(reversed(events)))
        self._live: dict[str, Live] = {}
        self._serial = 0
        self._load = dossiers
        self._dossiers: tuple[str, Mapping[str, Dossier]] = ("", {})
        self._clock = clock
        self._interval_s = interval_s
        self._moved_at: float | None = None  # when the loop did anything

    def began(self, at: str) -> None:
        """A cycle began."""
        with self._lock:
            self._moved_at = self._clock() if self._moved_at is not None else None

    def progress(self, event: HostEvent) -> None:
        """Take note of what a host does."""
        at = rfc3339(datetime.now(UTC))
        with self._lock:
            self._live[event.host] = Live(event.host, event.word, redact(event.detail), at)
            self._serial += 1
            self._moved_at = self._clock()

    def ended(self, cycle: Cycle, subject: str, new: Sequence[Event]) -> None:
        """Put the next value together."""
        now = rfc3339(datetime.now(UTC))
        before = self._standing
        events = (*reversed(new), *before.events)[:MOST_EVENTS]
        standing = replace(before, code=cycle.code, words=cycle.words, ended_at=now, events=events)
        if cycle.plan is not None:
            hosts = hosts_of(cycle)
            standing = replace(
                standing,
                taken_at=now,
                revision=cycle.revision,
                subject=subject,
                fleet=cycle.fleet,
                hosts=hosts,
                groups=groups_of(hosts),
            )
        with self._lock:
            self._standing = standing
            self._live = {}
            self._serial += 1
            self._moved_at = self._clock()

    def unpublished(self, why: str) -> None:
        """Nothing is shown of that."""

    @property
    def serial(self) -> int:
        """Rises with every change."""
        return self._serial

    def standing(self) -> Standing:
        """The newest value."""
        with self._lock:
            return replace(self._standing, live=tuple(self._live.values()), serial=self._serial)

    def is_fresh(self) -> bool:
        """Whether a cycle has ended, and the loop has done something lately."""
        with self._lock:
            age_s = self._clock() - self._moved_at if self._moved_at is not None else math.inf
        return age_s < max(_LEAST_SLACK_S, _SLACK * self._interval_s)

    def dossiers(self) -> Mapping[str, Dossier]:
        """What is known of the policies at the revision that is shown."""
        revision = self._standing.revision
        if self._standing.fleet is not None and self._dossiers[0] != revision:
            try:
                self._dossiers = (revision, self._load())
            except (FleetschedError, OSError):
                self._dossiers = (revision, {})  # the loop says what is wrong with the repository
        return self._dossiers[1]


def dossiers_of(folder: Path) -> Mapping[str, Dossier]:
    """Everything that is known of a clone's policies, by name."""
    from fleetsched.operations.evidence import dossiers

    return {each.policy.name: each for each in dossiers(folder)}


@lru_cache(maxsize=64)
def text_of(name: str) -> str:
    """A file that the status page's views bring along."""
    from importlib import resources

    return resources.files("fleetsched.views.page").joinpath(name).read_text(encoding="utf-8")
