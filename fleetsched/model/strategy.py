# SPDX-License-Identifier: Apache-2.0
"""How a change reaches a group, as manifests say it. Durations are seconds, shares are percent."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from fleetsched.model.position import BUILT_IN, Position


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a rollout.

    Attributes:
        kind: `hosts` = a number of hosts, `percent` = a share of the group; both count from the rollout's
            start.
        value: hosts (a whole number) or percent (above 0, at most 100).
        bake_s: seconds for which each host of the step is watched before it is confirmed.
    """

    kind: Literal["hosts", "percent"]
    value: float
    bake_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerCheck:
    """The policy is enabled, ours, never re-attached, and counts no new fault events. Always on."""

    interval_s: float = 5.0
    failures: int = 1
    initial_delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureCheck:
    """The host's CPU pressure (PSI, `some avg10`, percent) stays below a limit."""

    cpu_some_avg10_below: float
    interval_s: float = 5.0
    failures: int = 3
    initial_delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """A named check in `/etc/fleetsched/checks.d` on the host exits 0."""

    name: str
    interval_s: float = 5.0
    failures: int = 3
    initial_delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQueueCheck:
    """The 99th percentile of how long the host's tasks wait for a CPU has a limit. Exactly one is set.

    Attributes:
        p99_below_ms: the limit in milliseconds.
        p99_max_regression: how much longer, in percent, than on the same host before the attach.
    """

    p99_below_ms: float | None = None
    p99_max_regression: float | None = None
    interval_s: float = 5.0
    failures: int = 3
    initial_delay_s: float = 0.0


HealthCheck = SchedulerCheck | PressureCheck | HostCheck | RunQueueCheck
"""Each has `interval_s` between looks, `failures` in a row to fail, `initial_delay_s` before the first."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number of hosts."""

    value: int


@dataclass(frozen=True, slots=True)
class Percent:
    """A share of the group's hosts, 0 to 100."""

    value: float

    def of(self, hosts: int) -> Fraction:
        """How many of so many hosts that is, of the decimal number that people wrote, and not rounded."""
        return Fraction(str(self.value)) * hosts / 100


@dataclass(frozen=True, slots=True)
class FailureBudget:
    """How many hosts of the whole group may fail or be out of reach before the rollout is given up."""

    failed: Count | Percent = Count(0)
    unreachable: Count | Percent = Count(0)

    def of(self, hosts: int) -> FailureBudget:
        """The same in numbers of hosts, for a group of so many; a share is rounded down."""
        return FailureBudget(_count(self.failed, hosts), _count(self.unreachable, hosts))


def _count(limit: Count | Percent, hosts: int) -> Count:
    return Count(math.floor(limit.of(hosts))) if isinstance(limit, Percent) else limit


@dataclass(frozen=True, slots=True)
class RolloutStrategy:
    """How a change reaches a group.

    Attributes:
        steps: in order; the last one reaches the whole group.
        health: every check, the scheduler's first.
        trial_deadline_s: a host that is not confirmed this long after its attach goes back by itself.
    """

    name: str
    steps: tuple[Step, ...]
    health: tuple[HealthCheck, ...] = (SchedulerCheck(),)
    failure_budget: FailureBudget = FailureBudget()
    on_failure: Literal["rollback", "stop"] = "rollback"
    trial_deadline_s: float = 120.0
    source: Position = field(default=BUILT_IN, compare=False)

    def of_group(self, hosts: int) -> RolloutStrategy:
        """The same with a failure budget in numbers of hosts, whatever part of the group is rolled out to."""
        return replace(self, failure_budget=self.failure_budget.of(hosts))


BUILT_IN_STRATEGY = RolloutStrategy(
    name="default", steps=(Step("hosts", 1, bake_s=30.0), Step("percent", 100, bake_s=30.0))
)
"""What a goal gets when neither it nor `fleetsched.yaml` names a strategy."""
