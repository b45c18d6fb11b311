# SPDX-License-Identifier: Apache-2.0
"""The numbers of a run: what its command printed, and what the observer counted of its tasks."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from fleetsched.bench.interface import Run
from fleetsched.bench.script import CGROUP, Said, check_ended_well
from fleetsched.errors import WorkloadError
from fleetsched.model.metrics import METRICS, Direction
from fleetsched.model.observation import Key, Observation, merge, percentile_us
from fleetsched.model.workload import Workload, WorkloadMetric

OBSERVED = tuple(name for name, metric in METRICS.items() if metric.source == "observer")
"""What the observer's counts give for every workload."""


def unit_and_better(workload: Workload, metric: str) -> tuple[str, Direction]:
    """Say what a metric of a workload's runs counts, and which direction is better."""
    declared = workload.metrics.get(metric) or METRICS[metric]
    return declared.unit, declared.better


def run_of(workload: Workload, said: Said) -> Run:
    """Make a run of what its script said.

    Raises:
        WorkloadError: the command did not end well, or printed no number for a metric.
    """
    check_ended_well(said, workload)
    metrics = printed_numbers(workload, said.output)
    observation = Observation.from_wire(said.observed) if said.observed else None
    if observation is not None:
        metrics |= observed_numbers(workload, observation)
    return Run(metrics, observation, said.seconds)


def printed_numbers(workload: Workload, output: str) -> dict[str, float]:
    """Find the workload's metrics in what its command printed.

    Raises:
        WorkloadError: one is not there, or is no finite number.
    """
    return {
        name: metric.scale * _number(workload.name, name, metric, output)
        for name, metric in workload.metrics.items()
    }


def observed_numbers(workload: Workload, observation: Observation) -> dict[str, float]:
    """Say how long the workload's tasks waited; nothing when none of them did."""
    keys = tuple(measured_keys(workload, observation.keys))
    numbers = {}
    for kind in ("wakeup", "run_queue"):
        buckets = merge(*(getattr(key.tally, kind).buckets for key in keys))
        if buckets:
            for percent in (50, 99):
                numbers[f"{kind}_latency_p{percent}_us"] = float(percentile_us(buckets, percent))
    return numbers


def measured_keys(workload: Workload, keys: Iterable[Key]) -> Iterable[Key]:
    """Choose the keys of the workload's tasks among those of the whole machine; a host's own work is all."""
    for key in keys:
        # A cgroup that the command itself removed has no path any more.
        is_ours = workload.is_own or key.cgroup is None or key.cgroup.startswith(f"{CGROUP}/")
        if is_ours and workload.tasks.command in ("", key.command):
            yield key


def _number(workload: str, name: str, metric: WorkloadMetric, output: str) -> float:
    found: object
    if metric.regex:
        matches = list(re.finditer(metric.regex, output, re.MULTILINE))
        found = matches[-1][1] if matches else None
    else:
        found = _at(output, metric.json_path)
    try:
        value = float(found) if isinstance(found, int | float | str) else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        where = f"regex {metric.regex}" if metric.regex else f"jsonPath {'.'.join(metric.json_path)}"
        raise WorkloadError(
            f"workload {workload}: no number for {name} ({where})",
            remedy=f"its command printed: {output.strip()[-300:] or 'nothing'}",
        )
    return value


def _at(output: str, path: tuple[str, ...]) -> object:
    try:
        value: Any = json.loads(output)
    except ValueError:
        return None
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif (
            isinstance(value, list) and part.lstrip("-").isdecimal() and -len(value) <= int(part) < len(value)
        ):
            value = value[int(part)]
        else:
            return None
    return value
