# SPDX-License-Identifier: Apache-2.0
"""The loop in numbers, for Prometheus. docs/reconcile.md has the table."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from fleetsched.errors import ExitCode
from fleetsched.model.cycle import Cycle, Event
from fleetsched.model.standing import Condition, hosts_of
from fleetsched.rollout.run import HostEvent

_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """Watches the loop. A registry of its own, so that nothing of the process is among them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._cycles = Counter(
            "fleetsched_cycles", "Cycles by how they ended.", ["result"], registry=self.registry
        )
        self._seconds = Histogram(
            "fleetsched_cycle_seconds", "How long cycles took.", registry=self.registry, buckets=_BUCKETS
        )
        self._hosts = Gauge(
            "fleetsched_hosts", "Hosts by how they stand.", ["condition"], registry=self.registry
        )
        self._rollouts = Counter(
            "fleetsched_rollouts", "Rollouts by how they ended.", ["result"], registry=self.registry
        )
        self._events = Counter(
            "fleetsched_events", "Events that people were told of.", ["kind"], registry=self.registry
        )
        self._unpublished = Counter(
            "fleetsched_publish_failures", "Times that the remote took no notes.", registry=self.registry
        )
        self._ended = Gauge(
            "fleetsched_last_cycle_timestamp_seconds", "When the newest cycle ended.", registry=self.registry
        )
        self._asked = Gauge(
            "fleetsched_last_look_timestamp_seconds", "When hosts were asked last.", registry=self.registry
        )
        self._revision = Gauge(
            "fleetsched_revision_timestamp_seconds",
            "When this revision was seen first.",
            ["revision"],
            registry=self.registry,
        )
        self._seen = ""

    def began(self, at: str) -> None:
        """Nothing is counted then."""

    def progress(self, event: HostEvent) -> None:
        """Nothing is counted by host."""

    def unpublished(self, why: str) -> None:
        """Count it."""
        self._unpublished.inc()

    def ended(self, cycle: Cycle, subject: str, new: Sequence[Event]) -> None:
        """Count a cycle."""
        self._cycles.labels(_result(cycle.code)).inc()
        self._seconds.observe(cycle.seconds)
        self._ended.set(time.time())
        for event in new:
            self._events.labels(str(event.kind)).inc()
        if cycle.applied is not None:
            self._rollouts.labels(_result(cycle.applied.exit_code)).inc()
        if cycle.plan is not None:
            self._asked.set(time.time())
            tally = Tally(host.condition for host in hosts_of(cycle).values())
            for condition in Condition:
                self._hosts.labels(str(condition)).set(tally[condition])
        if cycle.revision != self._seen:
            self._revision.clear()
            self._revision.labels(cycle.revision).set(time.time())
            self._seen = cycle.revision

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


def _result(code: ExitCode) -> str:
    return code.name.lower().replace("_", "-")
