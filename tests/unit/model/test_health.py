# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from fleetsched.model.health import Finding, Health, host_checks, wants_run_queue, watch_interval_s
from fleetsched.model.observation import Latency
from fleetsched.model.state import CheckResult, KernelState
from fleetsched.model.strategy import HostCheck, PressureCheck, RunQueueCheck, SchedulerCheck
from tests.unit.builders import assignment, enabled, sample, trial

TRIAL = trial(assignment("fair"), enable_seq=2)


def health(*checks: Any) -> Health:
    return Health(tuple(checks), TRIAL)


@pytest.mark.parametrize(
    ("kernel", "detail"),
    [
        (KernelState("disabled", None, 2, False), "the kernel says disabled, not enabled"),
        (enabled("scx_rusty", 2), "scx_rusty runs, not fair"),
        (
            enabled("fair", 3),
            "another scheduler was attached since (enable_seq 2 -> 3)",
        ),
    ],
)
def test_scheduler_check_believes_the_kernel_only(kernel: KernelState, detail: str) -> None:
    seen = health(SchedulerCheck()).see(sample(kernel=kernel))

    assert seen.findings == (Finding("scheduler", detail),)


def test_growth_of_a_fault_counter_after_attach_is_a_finding() -> None:
    seen = health(SchedulerCheck()).see(sample(0, kernel=enabled("fair", 2, SCX_EV_BYPASS_ACTIVATE=1)))
    assert seen.findings == ()

    seen = seen.see(sample(5000, kernel=enabled("fair", 2, SCX_EV_BYPASS_ACTIVATE=2)))
    assert str(seen.findings[0]) == "scheduler: new fault events: SCX_EV_BYPASS_ACTIVATE 1 -> 2"


def test_counters_that_grow_in_normal_running_are_no_finding() -> None:
    seen = health(SchedulerCheck()).see(sample(0, kernel=enabled("fair", 2, SCX_EV_REFILL_SLICE_DFL=1)))

    assert seen.see(sample(5000, kernel=enabled("fair", 2, SCX_EV_REFILL_SLICE_DFL=900))).findings == ()


def test_pressure_fails_only_after_enough_looks_in_a_row() -> None:
    seen = health(PressureCheck(cpu_some_avg10_below=80, interval_s=1, failures=2))
    for elapsed, value in [(0, 90.0), (1000, 10.0), (2000, 90.0)]:
        seen = seen.see(sample(elapsed, cpu_some_avg10=value))
    assert seen.findings == ()

    seen = seen.see(sample(3000, cpu_some_avg10=91.5))
    assert str(seen.findings[0]) == "pressure: cpu some avg10 is 91.5 %, wanted below 80 %"


def test_check_is_not_looked_at_before_its_delay_or_more_often_than_its_interval() -> None:
    check = PressureCheck(cpu_some_avg10_below=80, interval_s=5, failures=2, initial_delay_s=3)
    seen = health(check)
    for elapsed in (0, 1000, 2000, 3000, 4000, 5000):
        seen = seen.see(sample(elapsed, cpu_some_avg10=90.0))

    assert seen.in_a_row == {0: 1}


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (
            CheckResult("failed", 1, "502 from upstream\n"),
            "hostCheck nginx: failed (exit 1): 502 from upstream",
        ),
        (CheckResult("missing", None, ""), "hostCheck nginx: missing"),
        (None, "hostCheck nginx: the host gave no answer for it"),
    ],
)
def test_host_check_that_is_not_ok_says_what_it_said(result: CheckResult | None, text: str) -> None:
    checks = (("nginx", result),) if result else ()

    seen = health(HostCheck(name="nginx", failures=1)).see(sample(checks=checks))

    assert str(seen.findings[0]) == text


def test_watch_looks_as_often_as_the_most_frequent_check_wants() -> None:
    checks = (SchedulerCheck(interval_s=5), HostCheck(name="nginx", interval_s=2))

    assert watch_interval_s(checks) == 2
    assert host_checks(checks) == ("nginx",)


def waits(p99_us: int) -> Latency:
    return Latency(count=200, p50_us=10, p95_us=100, p99_us=p99_us)


def test_run_queue_is_judged_when_an_interval_is_over_and_not_at_the_first_look() -> None:
    check = RunQueueCheck(p99_below_ms=20, interval_s=5, failures=1, initial_delay_s=2)
    seen = health(check)
    for elapsed in (0, 2000, 6000):
        seen = seen.see(sample(elapsed, run_queue=None))
    assert seen.findings == ()

    seen = seen.see(sample(7000, run_queue=waits(20_000)))
    assert str(seen.findings[0]) == "runQueueLatency: p99 is 20 ms of 200 waits, wanted below 20 ms"


@pytest.mark.parametrize(
    ("before_us", "p99_us", "fails"),
    [(50, 1050, False), (50, 1051, True), (10_000, 15_000, False), (10_000, 15_001, True)],
)
def test_run_queue_regression_counts_beyond_the_share_and_beyond_a_millisecond(
    before_us: int, p99_us: int, fails: bool
) -> None:
    check = RunQueueCheck(p99_max_regression=50, interval_s=1, failures=1)

    seen = Health((check,), TRIAL, before=waits(before_us)).see(sample(1000, run_queue=waits(p99_us)))

    assert bool(seen.findings) is fails


@pytest.mark.parametrize(
    ("check", "run_queue", "detail"),
    [
        (RunQueueCheck(p99_below_ms=20, failures=1), None, "the host measured no task that waited for a CPU"),
        (RunQueueCheck(p99_max_regression=5, failures=1), waits(9), "nothing was measured before the attach"),
    ],
)
def test_run_queue_that_is_not_known_fails(
    check: RunQueueCheck, run_queue: Latency | None, detail: str
) -> None:
    assert health(check).see(sample(5000, run_queue=run_queue)).findings == (
        Finding("runQueueLatency", detail),
    )


def test_who_needs_the_observer() -> None:
    assert wants_run_queue((SchedulerCheck(), RunQueueCheck(p99_below_ms=1)))
    assert not wants_run_queue((SchedulerCheck(), HostCheck(name="nginx")))


@pytest.mark.parametrize(
    ("looks", "undecided"),
    [((), False), ((90.0,), True), ((90.0, 90.0), True), ((90.0, 10.0), False), ((10.0, 90.0), False)],
)
def test_what_has_only_failed_is_undecided_until_it_failed_as_often_as_it_may(
    looks: tuple[float, ...], undecided: bool
) -> None:
    seen = health(PressureCheck(cpu_some_avg10_below=80, interval_s=1, failures=3))
    for number, value in enumerate(looks):
        seen = seen.see(sample(number * 1000, cpu_some_avg10=value))
    assert (seen.is_undecided, seen.findings) == (undecided, ())


def test_run_queue_is_not_judged_by_the_first_sample_of_a_watch() -> None:
    seen = health(RunQueueCheck(p99_below_ms=20, interval_s=5, failures=1))
    assert seen.see(sample(6000), opens=True).findings == ()
    assert seen.see(sample(6000)).findings != ()
