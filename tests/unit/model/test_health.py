# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from fleetsched.model.health import Finding, Health, host_checks, watch_interval_s
from fleetsched.model.manifests import HostCheck, PressureCheck, SchedulerCheck
from fleetsched.model.state import CheckResult, KernelState
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
