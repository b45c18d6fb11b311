# SPDX-License-Identifier: Apache-2.0
"""What a host's observer counted: how long tasks waited for a CPU, and how long they ran on it.

Waits lie in buckets, four to each power of two of 256 ns. A percentile is the end of its bucket, rounded up
to microseconds: never below the truth, and above it by a quarter at most (below 4 us by 1.3 us).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Wire = Mapping[str, Any]

Buckets = tuple[tuple[int, int], ...]
"""Where each bucket that is not empty ends, in ns, and how many lie in it; in order."""

_UNIT_SHIFT = 8
_LOGS = 28  # what takes 2^28 units (68 s) or longer is in the last bucket


@dataclass(frozen=True, slots=True)
class Latency:
    """How long tasks waited for a CPU, in microseconds; all 0 when none did."""

    count: int = 0
    p50_us: int = 0
    p95_us: int = 0
    p99_us: int = 0
    max_us: int = 0
    buckets: Buckets = ()

    @classmethod
    def of(cls, buckets: Buckets) -> Latency:
        """Say what lies in these buckets."""
        return cls(
            sum(count for _, count in buckets),
            percentile_us(buckets, 50),
            percentile_us(buckets, 95),
            percentile_us(buckets, 99),
            percentile_us(buckets, 100),
            buckets,
        )

    @classmethod
    def from_wire(cls, value: Wire | None) -> Latency | None:
        """Read the protocol's form of it, in full or without `max_us` and `buckets`; None stays None."""
        return None if value is None else _latency(value)

    def to_wire(self) -> dict[str, Any]:
        """Write the protocol's form of it."""
        percentiles = {"p50_us": self.p50_us, "p95_us": self.p95_us, "p99_us": self.p99_us}
        buckets = [list(bucket) for bucket in self.buckets]
        return {"count": self.count, **percentiles, "max_us": self.max_us, "buckets": buckets}


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted of some tasks.

    Attributes:
        on_cpu_us: how long they ran, all together, counting what they ended in the period.
        switches: how often one of them left its CPU.
        wakeup: waits from a wakeup until the task ran.
        run_queue: all waits: those, and those of tasks that were taken off their CPU.
        slices: runs by power of two.
    """

    on_cpu_us: int
    switches: int
    wakeup: Latency
    run_queue: Latency
    slices: Buckets = ()

    @classmethod
    def from_wire(cls, value: Wire) -> Tally:
        """Read the protocol's form of it."""
        return cls(
            value["on_cpu_us"],
            value["switches"],
            _latency(value["wakeup"]),
            _latency(value["run_queue"]),
            _buckets(value["slices"]),
        )

    def to_wire(self) -> dict[str, Any]:
        """Write the protocol's form of it."""
        return {
            "on_cpu_us": self.on_cpu_us,
            "switches": self.switches,
            "wakeup": self.wakeup.to_wire(),
            "run_queue": self.run_queue.to_wire(),
            "slices": [list(bucket) for bucket in self.slices],
        }

    @property
    def mean_slice_us(self) -> float:
        """How long one of them ran at a time, on average."""
        return self.on_cpu_us / self.switches if self.switches else 0.0


@dataclass(frozen=True, slots=True)
class Key:
    """One command (at most 15 bytes of its name) in one cgroup.

    Attributes:
        cgroup: its path below the mount; `/` is the root, None when it is gone or there is no cgroup v2.
    """

    cgroup: str | None
    command: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class Observation:
    """What was counted on one host in one period.

    Attributes:
        forks: tasks that were made.
        keys: those that ran longest, the longest first.
        keys_seen: how many there were.
        unkeyed_switches: switches of tasks that are in `host` only: there was no room for their keys.
    """

    elapsed_ms: int
    forks: int
    host: Tally
    keys: tuple[Key, ...] = ()
    keys_seen: int = 0
    unkeyed_switches: int = 0

    @classmethod
    def from_wire(cls, value: Wire) -> Observation:
        """Read the protocol's form of it."""
        return cls(
            elapsed_ms=value["elapsed_ms"],
            forks=value["forks"],
            host=Tally.from_wire(value["host"]),
            keys=tuple(Key(key["cgroup"], key["command"], Tally.from_wire(key)) for key in value["keys"]),
            keys_seen=value["keys_seen"],
            unkeyed_switches=value["unkeyed_switches"],
        )

    def to_wire(self) -> dict[str, Any]:
        """Write the protocol's form of it."""
        keys = [{**key.tally.to_wire(), "cgroup": key.cgroup, "command": key.command} for key in self.keys]
        return {
            "elapsed_ms": self.elapsed_ms,
            "forks": self.forks,
            "host": self.host.to_wire(),
            "keys": keys,
            "keys_seen": self.keys_seen,
            "unkeyed_switches": self.unkeyed_switches,
        }

    def per_second(self, count: int) -> float:
        """Turn a count of this period into a rate."""
        return count * 1000 / self.elapsed_ms if self.elapsed_ms else 0.0


def buckets_of(waits_ns: Iterable[int]) -> Buckets:
    """Sort waits into buckets."""
    return tuple(sorted(Counter(map(bucket_end, waits_ns)).items()))


def bucket_end(wait_ns: int) -> int:
    """Return the end, in ns, of the bucket in which a wait lies. The last one also holds what is longer."""
    units = min(wait_ns >> _UNIT_SHIFT, (1 << _LOGS) - 1)
    shift = max(units.bit_length() - 3, 0)
    return ((units >> shift) + 1) << shift << _UNIT_SHIFT


def slice_end(run_ns: int) -> int:
    """Return the end, in ns, of the power of two in which a run lies."""
    units = min(max(run_ns >> _UNIT_SHIFT, 1), (1 << _LOGS) - 1)
    return 1 << units.bit_length() << _UNIT_SHIFT


def merge(*parts: Buckets) -> Buckets:
    """Add up, so that the percentiles of several keys can be told."""
    total: Counter[int] = Counter()
    for part in parts:
        total.update(dict(part))
    return tuple(sorted(total.items()))


def percentile_us(buckets: Buckets, percent: int) -> int:
    """Return what `percent` of the waits do not exceed, in us; 0 without a wait."""
    wanted = -(-sum(count for _, count in buckets) * percent // 100)
    seen = 0
    for below_ns, count in buckets:
        seen += count
        if seen >= wanted:
            return -(-below_ns // 1000)
    return 0


def _latency(value: Wire) -> Latency:
    return Latency(
        value["count"],
        value["p50_us"],
        value["p95_us"],
        value["p99_us"],
        value.get("max_us", 0),
        _buckets(value.get("buckets", ())),
    )


def _buckets(value: Iterable[tuple[int, int]]) -> Buckets:
    return tuple((below_ns, count) for below_ns, count in value)
