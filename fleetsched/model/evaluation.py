# SPDX-License-Identifier: Apache-2.0
"""What a goal's proposals are measured on: workloads and kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fleetsched.errors import InputError
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.judgement import Role
from fleetsched.model.metrics import METRICS
from fleetsched.model.suggest import suggestion
from fleetsched.model.workload import Workload

DEFAULT_WORKLOADS: Mapping[str, str] = {
    "wakeup_latency_p50_us": "interactive-under-hogs",
    "wakeup_latency_p99_us": "interactive-under-hogs",
    "run_queue_latency_p50_us": "interactive-under-hogs",
    "run_queue_latency_p99_us": "interactive-under-hogs",
    "request_latency_p50_us": "interactive-under-hogs",
    "request_latency_p99_us": "interactive-under-hogs",
    "requests_per_second": "message-wakeups",
    "operations_per_second": "pgbench",
    "completion_time_s": "hackbench",
}
"""By the objective's metric: what a goal is measured on that names no workload itself."""


def workloads_for(goal: WorkloadGoal, known: Mapping[str, Workload]) -> tuple[str, ...]:
    """Name the workloads that a goal's proposals are measured on; the search is on the first.

    Args:
        goal: the goal.
        known: all workloads, by name.

    Raises:
        InputError: it has no objective, or nothing measures it; the remedy says what to write.
    """
    if goal.objective is None:
        raise InputError(
            f"goal {goal.name} has no objective, so nothing can be measured for it",
            remedy="write spec.objective, such as {metric: wakeup_latency_p99_us, direction: minimize}; "
            "`fleetsched propose --unmeasured` chooses by what policies declare alone",
        )
    metric = goal.objective.metric
    able = [name for name, workload in known.items() if gives(workload, metric)]
    if goal.evaluation.workloads:
        first = goal.evaluation.workloads[0]
        if first not in able:
            raise InputError(
                f"goal {goal.name}: workload {first} gives no number for {metric}",
                remedy=f"name one first in spec.evaluation.workloads that does: {', '.join(able) or 'none'}",
            )
        return goal.evaluation.workloads
    chosen = DEFAULT_WORKLOADS.get(metric, able[0] if able and metric not in METRICS else "")
    if chosen not in able:
        raise InputError(
            f"goal {goal.name}: no workload measures {metric}",
            remedy="name one in spec.evaluation.workloads; `fleetsched bench --list` shows them, "
            "docs/benchmarks.md how to write one",
        )
    return (chosen,)


def final_workloads(goal: WorkloadGoal, known: Mapping[str, Workload]) -> tuple[tuple[Role, str], ...]:
    """Name the workloads of the final comparison, in order, each with its role.

    Arguments and errors are those of `workloads_for`.
    """
    evaluation: list[tuple[Role, str]] = [("evaluation", name) for name in workloads_for(goal, known)]
    return (*evaluation, *(("hold-out", name) for name in goal.evaluation.hold_out))


def check_guardrails(goal: WorkloadGoal, known: Mapping[str, Workload]) -> None:
    """A guardrail that nothing measures cannot be said to be kept: better known before an hour of measuring.

    Args:
        goal: whose workloads there are.
        known: all workloads, by name.

    Raises:
        InputError: none of the goal's workloads measures one of its guardrails, and it does not accept that.
    """
    wanted = [known[name] for _, name in final_workloads(goal, known)]
    for guardrail in goal.guardrails:
        metric = guardrail.metric
        if guardrail.accept_unmeasured or any(gives(workload, metric) for workload in wanted):
            continue
        able = ", ".join(name for name, workload in known.items() if gives(workload, metric))
        named = f"name one that does in spec.evaluation.workloads ({able})" if able else "no workload does"
        raise InputError(
            f"goal {goal.name}: none of its workloads measures the guardrail {metric}, so nobody could say "
            "that it is kept",
            remedy=f"{named}; or write `unmeasured: accept` beside it: proposals say then that nobody knows",
        )


def gives(workload: Workload, metric: str) -> bool:
    """Whether runs of a workload give a number for a metric."""
    if metric in METRICS and METRICS[metric].source != "workload":
        return METRICS[metric].source == "observer"
    return metric in workload.metrics


def check_measures(workload: Workload, metrics: Iterable[str]) -> None:
    """Refuse guardrails that runs of a workload give no number for: they would seem to be kept.

    Raises:
        InputError: one is that.
    """
    observed = [name for name, metric in METRICS.items() if metric.source == "observer"]
    for metric in metrics:
        if not gives(workload, metric):
            known = [*workload.metrics, *observed]
            near = suggestion(metric, known)
            raise InputError(
                f"workload {workload.name} does not measure the guardrail {metric!r}{near}",
                remedy="see `fleetsched bench --list`",
            )


def kernel_for(releases: Iterable[str], kernels: Sequence[str]) -> str:
    """Choose the kernel to measure on: that of most hosts, where there is a machine with it; else the first.

    Args:
        releases: of the goal's hosts, as `uname -r` says them.
        kernels: versions that machines can have, the preferred one first.
    """
    counts = Counter(
        kernel
        for release in releases
        for kernel in kernels
        if release == kernel or release.startswith((f"{kernel}.", f"{kernel}-"))
    )
    return max(kernels, key=lambda kernel: counts[kernel])
