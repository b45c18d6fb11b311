# SPDX-License-Identifier: Apache-2.0
"""Bakes over slow ways: what looks take is part of the bake, so that it ends before the trial's deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fleetsched.errors import ExitCode
from fleetsched.helper.client import HelperClient
from fleetsched.model.rollout import Phase
from fleetsched.model.strategy import HostCheck, RolloutStrategy, RunQueueCheck, SchedulerCheck, Step
from tests.unit.rollout.test_engine import NEW, Fleet, make_fleet, policy

__all__ = ["make_fleet"]

CHECK = HostCheck(name="web", initial_delay_s=5, interval_s=5, failures=3)
OK = {"status": "ok", "exit_code": 0, "output": ""}
BAD = {"status": "failed", "exit_code": 1, "output": "502"}


@pytest.fixture
def slowed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fleet, int], None]:
    """Let every word of a watch be so many milliseconds on its way, on the host's clock."""

    def slow(fleet: Fleet, way_ms: int) -> None:
        watch = HelperClient.watch

        def slowly(helper: HelperClient, **wanted: Any) -> Any:
            for seen in watch(helper, **wanted):
                yield seen
                fleet.hosts[helper.host].clock.advance(way_ms)

        monkeypatch.setattr(HelperClient, "watch", slowly)

    return slow


def strategy(bake_s: int, *checks: Any) -> RolloutStrategy:
    steps = (Step("percent", 100, bake_s),)
    return RolloutStrategy("s", steps, (SchedulerCheck(), *checks), trial_deadline_s=bake_s + 5 + 31)


@pytest.mark.parametrize(("bake_s", "way_ms"), [(600, 0), (600, 100), (600, 1000), (60, 2000), (15, 3000)])
def test_a_healthy_policy_is_confirmed_before_its_deadline_however_slow_the_way(
    make_fleet, slowed, bake_s: int, way_ms: int
) -> None:
    fleet = make_fleet(names="a")
    host = fleet.hosts["a"]
    host.checks["web"] = OK
    slowed(fleet, way_ms)
    began_ms = host.clock.now_ms()

    outcome = fleet.apply(policy("new", NEW), strategy(bake_s, CHECK))

    assert outcome.exit_code is ExitCode.OK, outcome.details
    assert bake_s * 1000 <= host.clock.now_ms() - began_ms <= bake_s * 1000 + 5 * way_ms


@pytest.mark.parametrize("way_ms", [0, 100, 400, 1000, 3000, 6000])
def test_a_check_that_only_fails_is_never_confirmed(make_fleet, slowed, way_ms: int) -> None:
    fleet = make_fleet(names="a")
    fleet.hosts["a"].checks["web"] = BAD
    slowed(fleet, way_ms)

    outcome = fleet.apply(policy("new", NEW), strategy(15, CHECK))

    assert outcome.rollout.phases == {"a": Phase.FAILED}
    assert outcome.details["a"] == "hostCheck web: failed (exit 1): 502"


@pytest.mark.parametrize("way_ms", [0, 100, 700, 3000])
def test_run_queue_latency_is_judged_by_whole_periods(make_fleet, slowed, way_ms: int) -> None:
    fleet = make_fleet(names="a")
    slowed(fleet, way_ms)
    checks = (SchedulerCheck(interval_s=2), RunQueueCheck(p99_below_ms=20, interval_s=5, failures=1))

    outcome = fleet.apply(
        policy("new", NEW), RolloutStrategy("s", (Step("percent", 100, 60),), checks, trial_deadline_s=91)
    )

    assert outcome.exit_code is ExitCode.OK, outcome.details
