# SPDX-License-Identifier: Apache-2.0
"""Health of a host on trial: samples in, a verdict out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fleetsched.model.observation import Latency
from fleetsched.model.state import Sample, Trial
from fleetsched.model.strategy import HealthCheck, HostCheck, PressureCheck, RunQueueCheck
from fleetsched.model.wording import counted

FAULT_EVENTS = frozenset(
    {
        "SCX_EV_BYPASS_ACTIVATE",
        "SCX_EV_SELECT_CPU_FALLBACK",
        "SCX_EV_DISPATCH_LOCAL_DSQ_OFFLINE",
        "SCX_EV_INSERT_NOT_OWNED",
        "SCX_EV_REENQ_LOCAL_REPEAT",
        "SCX_EV_REENQ_REPEAT",
    }
)
"""Counters whose growth after attach the kernel's own comments call a fault (kernel/sched/ext/internal.h)."""


REGRESSION_FLOOR_US = 1000
"""What is this much longer than before the attach, or less, is no regression: an idle host's p99 is noise."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check that failed as often as it may.

    Attributes:
        check: its name as in the manifest, for example `hostCheck nginx`.
        detail: what was found, against what was wanted.
    """

    check: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a host's health so far in one bake.

    Attributes:
        checks: what the strategy asks for.
        trial: the trial being watched.
        baseline: the event counters right after attach.
        looked_ms: when each check was last evaluated (milliseconds since the attach), by index.
        in_a_row: how often each check has failed without a success between, by index.
        passed: the checks that did not fail at one look at least, by index.
        findings: the checks that reached their threshold; not empty means unhealthy.
        before: how long the host's tasks waited for a CPU before the attach; None = nobody looked.
    """

    checks: tuple[HealthCheck, ...]
    trial: Trial
    baseline: Mapping[str, int] = field(default_factory=dict, hash=False)
    looked_ms: Mapping[int, int] = field(default_factory=dict, hash=False)
    in_a_row: Mapping[int, int] = field(default_factory=dict, hash=False)
    findings: tuple[Finding, ...] = ()
    before: Latency | None = None
    passed: frozenset[int] = frozenset()

    @property
    def is_undecided(self) -> bool:
        """Whether a check has failed at every look, and has not been looked at as often as it may fail."""
        return any(
            0 < failed < self.checks[index].failures and index not in self.passed
            for index, failed in self.in_a_row.items()
        )

    def see(self, sample: Sample, *, opens: bool = False) -> Health:
        """The value after one more sample. The first one sets the baseline of the counters.

        Args:
            sample: its `elapsed_ms` counts from the attach.
            opens: it is the first of a watch, so that no period is over that it could tell of.
        """
        baseline = self.baseline or _baseline(sample)
        looked, in_a_row = dict(self.looked_ms), dict(self.in_a_row)
        findings = list(self.findings)
        for index, check in enumerate(self.checks):
            if opens and isinstance(check, RunQueueCheck):
                continue
            if not _is_due(check, looked.get(index), sample.elapsed_ms):
                continue
            looked[index] = sample.elapsed_ms
            if isinstance(check, RunQueueCheck):
                detail = _run_queue(check, self.before, sample)
            else:
                detail = _complaint(check, self.trial, baseline, sample)
            in_a_row[index] = in_a_row.get(index, 0) + 1 if detail else 0
            if detail and in_a_row[index] == check.failures:
                findings.append(Finding(check_name(check), detail))
        return replace(
            self,
            baseline=baseline,
            looked_ms=looked,
            in_a_row=in_a_row,
            findings=tuple(findings),
            passed=self.passed | {index for index, failed in in_a_row.items() if not failed},
        )


def watch_interval_s(checks: Sequence[HealthCheck]) -> float:
    """How often a host has to be looked at so that every check is evaluated at its own interval."""
    return min(check.interval_s for check in checks)


def host_checks(checks: Sequence[HealthCheck]) -> tuple[str, ...]:
    """The names of the checks that the host itself runs."""
    return tuple(check.name for check in checks if isinstance(check, HostCheck))


def wants_pressure(checks: Sequence[HealthCheck]) -> bool:
    """Whether any check needs the host's CPU pressure."""
    return any(isinstance(check, PressureCheck) for check in checks)


def wants_run_queue(checks: Sequence[HealthCheck]) -> bool:
    """Whether any check needs the host's observer."""
    return any(isinstance(check, RunQueueCheck) for check in checks)


def first_look_s(check: HealthCheck) -> float:
    """When a check can be evaluated for the first time: one that is about a period needs one to be over."""
    return check.initial_delay_s + (check.interval_s if isinstance(check, RunQueueCheck) else 0.0)


def check_name(check: HealthCheck) -> str:
    """A check as the manifest names it."""
    if isinstance(check, HostCheck):
        return f"hostCheck {check.name}"
    if isinstance(check, RunQueueCheck):
        return "runQueueLatency"
    return "pressure" if isinstance(check, PressureCheck) else "scheduler"


def _baseline(sample: Sample) -> dict[str, int]:
    """The counters as the helper read them at attach, else as the first sample shows them."""
    return dict(sample.running.events_baseline if sample.running else ()) or dict(sample.kernel.events)


def _is_due(check: HealthCheck, looked_ms: int | None, elapsed_ms: int) -> bool:
    if isinstance(check, RunQueueCheck) and looked_ms is None:
        looked_ms = round(check.initial_delay_s * 1000)
    if elapsed_ms < check.initial_delay_s * 1000:
        return False
    # A sample a little early still counts: the host's clock sends them, and 10 % is within its jitter.
    return looked_ms is None or elapsed_ms - looked_ms >= check.interval_s * 900


def _complaint(check: HealthCheck, trial: Trial, baseline: Mapping[str, int], sample: Sample) -> str:
    if isinstance(check, PressureCheck):
        return _pressure(check, sample)
    if isinstance(check, HostCheck):
        return _host_check(check, sample)
    return _scheduler(trial, baseline, sample)


def _scheduler(trial: Trial, baseline: Mapping[str, int], sample: Sample) -> str:
    kernel = sample.kernel
    if kernel.state != "enabled":
        return f"the kernel says {kernel.state}, not enabled"
    if kernel.ops != trial.ops:
        return f"{kernel.ops} runs, not {trial.ops}"
    if kernel.enable_seq != trial.enable_seq:
        return f"another scheduler was attached since (enable_seq {trial.enable_seq} -> {kernel.enable_seq})"
    grown = [
        f"{name} {baseline.get(name, 0)} -> {count}"
        for name, count in kernel.events
        if name in FAULT_EVENTS and count > baseline.get(name, 0)
    ]
    return f"new fault events: {', '.join(grown)}" if grown else ""


def _pressure(check: PressureCheck, sample: Sample) -> str:
    if sample.cpu_some_avg10 is None:
        return "the host's kernel reports no CPU pressure (PSI is off)"
    if sample.cpu_some_avg10 < check.cpu_some_avg10_below:
        return ""
    return f"cpu some avg10 is {sample.cpu_some_avg10:g} %, wanted below {check.cpu_some_avg10_below:g} %"


def _run_queue(check: RunQueueCheck, before: Latency | None, sample: Sample) -> str:
    if sample.run_queue is None:
        return "the host measured no task that waited for a CPU"
    p99, found = (
        sample.run_queue.p99_us,
        f"p99 is {_ms(sample.run_queue.p99_us)} of {counted(sample.run_queue.count, 'wait')}",
    )
    if check.p99_below_ms is not None:
        return "" if p99 < check.p99_below_ms * 1000 else f"{found}, wanted below {check.p99_below_ms:g} ms"
    assert check.p99_max_regression is not None
    if before is None:
        return "nothing was measured before the attach"
    share = before.p99_us * check.p99_max_regression / 100
    limit = before.p99_us + max(share, REGRESSION_FLOOR_US)
    if p99 <= limit:
        return ""
    return (
        f"{found}, before the attach it was {_ms(before.p99_us)}; wanted {_ms(limit)} at most "
        f"({check.p99_max_regression:g} % more)"
    )


def _ms(us: float) -> str:
    return f"{us / 1000:.3g} ms"


def _host_check(check: HostCheck, sample: Sample) -> str:
    result = dict(sample.checks).get(check.name)
    if result is None:
        return "the host gave no answer for it"
    if result.status == "ok":
        return ""
    said = f": {result.output.strip()}" if result.output.strip() else ""
    code = "" if result.exit_code is None else f" (exit {result.exit_code})"
    return f"{result.status}{code}{said}"
