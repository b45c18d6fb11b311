# SPDX-License-Identifier: Apache-2.0
"""The rollout of one goal as a state machine: canary, then batches, within a failure budget.

Values in, values out: the engine (fleetsched/rollout) reports what happened to each host with `record`, and
asks `decide` what to do next. No thread, clock or host is known here, so every order of events can be tested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from fleetsched.errors import ExitCode
from fleetsched.model.strategy import Count, FailureBudget, Percent, RolloutStrategy, Step


class Phase(StrEnum):
    """Where one host is in the rollout."""

    CANNOT = "cannot"
    WAITING = "not started"
    WORKING = "working"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    REVERTED = "reverted"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    NOT_ROLLED_BACK = "not rolled back"


ENDED = frozenset(Phase) - {Phase.WAITING, Phase.WORKING, Phase.ROLLING_BACK}

_FOLLOWS: Mapping[Phase, frozenset[Phase]] = {
    Phase.WORKING: frozenset({Phase.CONFIRMED, Phase.FAILED, Phase.UNREACHABLE, Phase.REVERTED}),
    Phase.ROLLING_BACK: frozenset({Phase.ROLLED_BACK, Phase.NOT_ROLLED_BACK}),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """The hosts that one step adds, and how long each of them bakes (seconds)."""

    hosts: tuple[str, ...]
    bake_s: float


def cut_batches(hosts: Sequence[str], steps: Sequence[Step]) -> tuple[Batch, ...]:
    """Cut hosts into batches. A step reaches its amount counted from the rollout's start, rounded up."""
    batches: list[Batch] = []
    done = 0
    for step in steps:
        reach = min(max(done, _reach(step, len(hosts))), len(hosts))
        if reach > done:
            batches.append(Batch(tuple(hosts[done:reach]), step.bake_s))
        done = reach
    return tuple(batches)


def _reach(step: Step, hosts: int) -> int:
    return math.ceil(Percent(step.value).of(hosts) if step.kind == "percent" else step.value)


def allows(limit: Count | Percent, count: int, total: int) -> bool:
    """Whether `count` of `total` hosts stays within a budget; a percentage is not rounded here."""
    return count <= (limit.of(total) if isinstance(limit, Percent) else limit.value)


@dataclass(frozen=True, slots=True)
class Start:
    """Work on the hosts of this step now."""

    step: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class Wait:
    """Something is under way. `abort`: hosts still on trial should revert now."""

    abort: bool


@dataclass(frozen=True, slots=True)
class RollBack:
    """Put these hosts, all confirmed in this run, back to what they ran before."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""

    exit_code: ExitCode


Decision = Start | Wait | RollBack | Done


@dataclass(frozen=True, slots=True)
class Rollout:
    """One goal's rollout at one moment.

    Attributes:
        phases: the phase of every host of every batch.
        next_step: index of the first batch that has not been started.
        budget: how many hosts may fail, or not answer, before the rollout stops.
        rolls_back: what a failure beyond the budget does: undo this rollout's hosts, or stop where it is.
        interrupted: a person asked to stop; no further step starts, nothing is rolled back.
    """

    batches: tuple[Batch, ...]
    budget: FailureBudget
    rolls_back: bool
    phases: Mapping[str, Phase]
    next_step: int = 0
    interrupted: bool = False

    @classmethod
    def begin(
        cls,
        hosts: Sequence[str],
        strategy: RolloutStrategy,
        *,
        cannot: Sequence[str] = (),
        unreachable: Sequence[str] = (),
    ) -> Rollout:
        """A rollout of which nothing is done yet.

        Args:
            hosts: all hosts that it concerns, in the order in which they are worked on.
            strategy: steps, failure budget, and what a failure does.
            cannot: those of `hosts` that are refused before anything starts; they count as failed.
            unreachable: those of `hosts` that did not answer.
        """
        phases = dict.fromkeys(hosts, Phase.WAITING)
        phases |= dict.fromkeys(cannot, Phase.CANNOT) | dict.fromkeys(unreachable, Phase.UNREACHABLE)
        workable = [host for host, phase in phases.items() if phase is Phase.WAITING]
        return cls(
            cut_batches(workable, strategy.steps),
            strategy.failure_budget,
            strategy.on_failure == "rollback",
            phases,
        )

    def within(self, *phases: Phase) -> tuple[str, ...]:
        """The hosts in any of these phases, in rollout order."""
        return tuple(host for host, phase in self.phases.items() if phase in phases)

    @property
    def tried(self) -> frozenset[str]:
        """The hosts whose work was begun; no other was touched."""
        return frozenset(host for batch in self.batches[: self.next_step] for host in batch.hosts)

    @property
    def over_budget(self) -> bool:
        """Whether more hosts failed, or did not answer, than the strategy allows."""
        total = len(self.phases)
        failed = len(self.within(Phase.FAILED, Phase.CANNOT))
        unreachable = len(self.within(Phase.UNREACHABLE))
        return not (
            allows(self.budget.failed, failed, total) and allows(self.budget.unreachable, unreachable, total)
        )

    def started(self) -> Rollout:
        """The value after the `Start` that `decide` gave was begun."""
        hosts = self.batches[self.next_step].hosts
        return replace(
            self, phases={**self.phases, **dict.fromkeys(hosts, Phase.WORKING)}, next_step=self.next_step + 1
        )

    def rolling_back(self, hosts: Sequence[str]) -> Rollout:
        """The value after the `RollBack` that `decide` gave was begun."""
        return replace(self, phases={**self.phases, **dict.fromkeys(hosts, Phase.ROLLING_BACK)})

    def record(self, host: str, phase: Phase) -> Rollout:
        """The value after one host reported how its work ended.

        Raises:
            ValueError: the host cannot go there from where it is.
        """
        now = self.phases[host]
        if phase not in _FOLLOWS.get(now, frozenset()):
            raise ValueError(f"{host} is {now} and cannot become {phase}")
        return replace(self, phases={**self.phases, host: phase})

    def interrupt(self) -> Rollout:
        """The value after a person asked to stop at a safe point."""
        return replace(self, interrupted=True)


def decide(rollout: Rollout) -> Decision:
    """What to do next. Every host is confirmed or ended whenever a step starts."""
    undo = rollout.over_budget and rollout.rolls_back
    if rollout.within(Phase.WORKING, Phase.ROLLING_BACK):
        return Wait(abort=undo)
    if undo and (confirmed := rollout.within(Phase.CONFIRMED)):
        return RollBack(confirmed)
    if rollout.over_budget or rollout.interrupted or rollout.next_step == len(rollout.batches):
        return Done(_exit_code(rollout))
    return Start(rollout.next_step, rollout.batches[rollout.next_step])


def _exit_code(rollout: Rollout) -> ExitCode:
    """5 > 3 > 130 > 4 > 0. A failed host has reverted by itself: with nothing else changed that is 3."""
    if rollout.within(Phase.NOT_ROLLED_BACK):
        return ExitCode.NOT_ROLLED_BACK
    if rollout.over_budget and not rollout.rolls_back and rollout.within(Phase.CONFIRMED):
        return ExitCode.NOT_ROLLED_BACK
    if rollout.within(Phase.FAILED, Phase.CANNOT, Phase.ROLLED_BACK):
        return ExitCode.ROLLED_BACK
    if rollout.interrupted and rollout.within(Phase.WAITING, Phase.REVERTED):
        return ExitCode.INTERRUPTED
    if rollout.within(Phase.UNREACHABLE):
        return ExitCode.UNREACHABLE
    return ExitCode.OK
