# SPDX-License-Identifier: Apache-2.0
"""What was counted on hosts, as features of the workload, and features as values that suitability weighs.

`long_tail` is never told here: how long a job ran in all is not what the observer counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from fleetsched.model.observation import Observation
from fleetsched.model.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Counted:
    """What one host counted, and what is needed to read it.

    Attributes:
        cpus: how many it has online.
        cgroup_weights: whether cgroups share out CPU time there; None = it did not say.
    """

    observation: Observation
    cpus: int
    cgroup_weights: bool | None = None


def features_of(hosts: Iterable[Counted], tasks: Tasks) -> dict[str, float]:
    """Tell the features of some tasks' work: the median host's. What cannot be known is not there.

    How busy the CPUs are is always said of the whole host: whoever keeps them busy, tasks wait for it.
    """
    found: dict[str, list[float]] = {}
    for host in hosts:
        for feature, value in _features(host, tasks).items():
            found.setdefault(feature, []).append(value)
    return {feature: float(f"{median(values):.3g}") for feature, values in found.items()}


def _features(host: Counted, tasks: Tasks) -> dict[str, float]:
    seen = host.observation
    period_us = seen.elapsed_ms * 1000 * host.cpus
    found: dict[str, float] = {}
    if host.cgroup_weights is not None:
        found["cgroup_weights"] = float(host.cgroup_weights)
    if not period_us:
        return found
    found["cpu_utilisation"] = min(100.0, 100 * seen.host.on_cpu_us / period_us)
    if tasks:
        tallies = [key.tally for key in seen.keys if tasks.includes(key.cgroup, key.command)]
    else:
        tallies = [seen.host]
    switches = sum(tally.switches for tally in tallies)
    if switches:
        found["wake_rate"] = seen.per_second(sum(tally.wakeup.count for tally in tallies)) / host.cpus
        found["mean_slice_us"] = sum(tally.on_cpu_us for tally in tallies) / switches
    return found


@dataclass(frozen=True, slots=True)
class Scale:
    """How a measured feature becomes a value from -1 to +1: never falling when the feature rises.

    Attributes:
        value: of a measured number.
        why: where 0 and the ends lie, and for what reason.
    """

    value: Callable[[float], float]
    why: str


def _logarithmic(middle: float, ends: float) -> Callable[[float], float]:
    """0 at `middle`, +1 at `ends` times as much, -1 at as much less: rates and times differ by factors."""
    return lambda number: (
        _within((math.log(number) - math.log(middle)) / math.log(ends)) if number > 0 else -1.0
    )


def _linear(middle: float, end: float) -> Callable[[float], float]:
    return lambda number: _within((number - middle) / (end - middle))


def _within(value: float) -> float:
    return round(max(-1.0, min(1.0, value)), 2)


SCALES: Mapping[str, Scale] = {
    "wake_rate": Scale(
        _logarithmic(250, 40),
        "0 at 250/s per CPU, a wakeup a tick at HZ=250; +1 at 10,000/s, as where messages are passed",
    ),
    "mean_slice_us": Scale(
        _logarithmic(2800, 7),
        "0 at 2.8 ms, the kernel's own slice with eight CPUs; +1 at 20 ms, sched_ext's own (SCX_SLICE_DFL)",
    ),
    "cpu_utilisation": Scale(
        _linear(50, 100),
        "0 at 50 %, where a queue with random arrivals waits as long as it works (M/M/1); +1 at 100 %",
    ),
    "cgroup_weights": Scale(
        _linear(0.5, 1), "-1 where no cgroup has a weight of its own, +1 where some have"
    ),
}
"""The scales of the features that can be measured; docs/observe.md shows them."""


def value_of(feature: str, measured: float) -> float | None:
    """Turn a measured feature into a value from -1 to +1; None when there is no scale for it."""
    scale = SCALES.get(feature)
    return None if scale is None else scale.value(measured)


def distance(ours: Mapping[str, float], theirs: Mapping[str, float]) -> float | None:
    """Say how far two workloads are apart: the mean difference of values, 0 to 2; None = none shared."""
    shared = [name for name in SCALES if name in ours and name in theirs]
    if not shared:
        return None
    return sum(
        abs(SCALES[name].value(ours[name]) - SCALES[name].value(theirs[name])) for name in shared
    ) / len(shared)
