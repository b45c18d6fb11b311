# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of what is measured: metrics of goals, and features of workloads that policies suit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["minimize", "maximize"]
Nature = Literal["latency", "throughput", "pressure"]
Source = Literal["observer", "psi", "workload"]

SOURCES: dict[Source, str] = {
    "observer": "the helper's observer counts it inside the kernel, on any managed host, of the goal's tasks",
    "psi": "the kernel says it of the whole host (/proc/pressure/cpu), where it is built with PSI",
    "workload": "a Workload's command prints it, where that is run: never of the hosts' own work",
}
"""Who measures a metric, and where it can be measured."""


@dataclass(frozen=True, slots=True)
class Metric:
    """Something that a goal may be about.

    Attributes:
        unit: what its number counts.
        better: the direction that people want.
        source: who measures it; `SOURCES` says where that is possible.
        nature: which kind of work it is about.
    """

    unit: str
    better: Direction
    source: Source
    nature: Nature
    doc: str


METRICS = {
    "wakeup_latency_p50_us": Metric(
        "us", "minimize", "observer", "latency", "median time from a wakeup to running"
    ),
    "wakeup_latency_p99_us": Metric(
        "us", "minimize", "observer", "latency", "99th percentile of the time from a wakeup to running"
    ),
    "run_queue_latency_p50_us": Metric(
        "us", "minimize", "observer", "latency", "median time spent runnable and not running"
    ),
    "run_queue_latency_p99_us": Metric(
        "us", "minimize", "observer", "latency", "99th percentile of the time spent runnable and not running"
    ),
    "request_latency_p50_us": Metric("us", "minimize", "workload", "latency", "median time of a request"),
    "request_latency_p99_us": Metric(
        "us", "minimize", "workload", "latency", "99th percentile of a request's time"
    ),
    "cpu_some_avg10": Metric(
        "%", "minimize", "psi", "pressure", "share of ten seconds in which some task waited for a CPU"
    ),
    "requests_per_second": Metric("1/s", "maximize", "workload", "throughput", "requests done each second"),
    "operations_per_second": Metric(
        "1/s", "maximize", "workload", "throughput", "operations done each second"
    ),
    "completion_time_s": Metric("s", "minimize", "workload", "throughput", "time until a batch is done"),
}
"""Every metric that a goal may name, beside those that workloads declare."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One dimension of a workload, for which a policy declares in `suitability` how well it suits.

    Attributes:
        unit: what is counted when it is measured.
        doc: what a high value means.
    """

    unit: str
    doc: str


FEATURES = {
    "wake_rate": Feature("1/s per CPU", "tasks wake often and run shortly"),
    "mean_slice_us": Feature("us", "tasks run long before they sleep or are taken off"),
    "cpu_utilisation": Feature("%", "the CPUs are busy, so that tasks have to wait"),
    "long_tail": Feature("1", "jobs that compute and end, a few of them much longer than the rest"),
    "cgroup_weights": Feature("1", "several cgroups with a cpu.weight of their own compete for the CPUs"),
}
"""Every feature that a policy may give a weight."""
