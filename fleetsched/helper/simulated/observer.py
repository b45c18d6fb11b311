# SPDX-License-Identifier: Apache-2.0
"""The observer of a simulated host: what it counts, from what a scenario says runs there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetsched.helper.simulated.refusal import Refusal
from fleetsched.model.observation import Buckets, Latency, bucket_end, merge, slice_end

if TYPE_CHECKING:
    from fleetsched.helper.simulated.host import SimulatedHost


@dataclass(frozen=True, slots=True)
class Work:
    """One command's tasks in one cgroup: each wakeup waits as long as the next of `waits_us`, then runs once.

    Attributes:
        wakeups_per_s: how often one of them wakes.
        waits_us: how long each wakeup waits, in turn; a policy's Behaviour may say otherwise.
        slice_us: how long each runs.
    """

    cgroup: str | None
    command: str
    wakeups_per_s: int = 100
    waits_us: tuple[int, ...] = (50,)
    slice_us: int = 1000


def require_observer(host: SimulatedHost) -> None:
    """Refuse where the scenario says that the kernel does.

    Raises:
        Refusal: `no-observer`.
    """
    if host.observer_refused:
        message = f"the kernel does not take the helper's observer: {host.observer_refused}"
        remedy = "leave runQueueLatency out for this host; everything else works"
        raise Refusal("no-observer", message, remedy=remedy)


def run_queue(host: SimulatedHost, period_ms: int) -> dict[str, int] | None:
    """Write a watch's `run_queue` of a period."""
    latency = Latency.of(merge(*(_waits(host, work, period_ms) for work in host.work)))
    return _short(latency) if latency.count else None


def observation(host: SimulatedHost, period_ms: int, top: int) -> dict[str, Any]:
    """Write the result of `observe`."""
    keys = [
        {**_tally([work], host, period_ms), "cgroup": work.cgroup, "command": work.command}
        for work in host.work
        if _count(work, period_ms)
    ]
    keys.sort(key=lambda key: -key["on_cpu_us"])
    return {
        "elapsed_ms": period_ms,
        "forks": 0,
        "keys_seen": len(keys),
        "unkeyed_switches": 0,
        "host": _tally(host.work, host, period_ms),
        "keys": keys[:top],
    }


def _tally(works: list[Work], host: SimulatedHost, period_ms: int) -> dict[str, Any]:
    counts = [_count(work, period_ms) for work in works]
    waits = _full(Latency.of(merge(*(_waits(host, work, period_ms) for work in works))))
    runs = zip(works, counts, strict=True)
    slices = merge(*(((slice_end(work.slice_us * 1000), count),) for work, count in runs if count))
    return {
        "on_cpu_us": sum(work.slice_us * count for work, count in zip(works, counts, strict=True)),
        "switches": sum(counts),
        "wakeup": waits,
        "run_queue": waits,
        "slices": [list(bucket) for bucket in slices],
    }


def _count(work: Work, period_ms: int) -> int:
    return work.wakeups_per_s * period_ms // 1000


def _waits(host: SimulatedHost, work: Work, period_ms: int) -> Buckets:
    waits_us = (host.attached and host.attached.behaviour.waits_us) or work.waits_us
    rounds, rest = divmod(_count(work, period_ms), len(waits_us))
    counts = ((rounds + (index < rest), wait_us) for index, wait_us in enumerate(waits_us))
    return merge(*(((bucket_end(wait_us * 1000), count),) for count, wait_us in counts if count))


def _short(latency: Latency) -> dict[str, int]:
    return {
        "count": latency.count,
        "p50_us": latency.p50_us,
        "p95_us": latency.p95_us,
        "p99_us": latency.p99_us,
    }


def _full(latency: Latency) -> dict[str, Any]:
    buckets = [list(bucket) for bucket in latency.buckets]
    return {**_short(latency), "max_us": latency.max_us, "buckets": buckets}
