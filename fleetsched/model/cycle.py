# SPDX-License-Identifier: Apache-2.0
"""One cycle of the reconciler: what it found and did, and the events that people are told of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fleetsched.errors import ExitCode
from fleetsched.model.fleet import Fleet
from fleetsched.model.plan import Action, HostPlan, Observed, Plan
from fleetsched.model.rollout import Phase
from fleetsched.model.run import Applied, HostResult
from fleetsched.model.state import Held
from fleetsched.model.wording import counted, listed

_MOST_HOSTS = 5  # in a text
_MOST_LISTED = 200  # in an event
_BAD = (Phase.FAILED, Phase.ROLLED_BACK, Phase.NOT_ROLLED_BACK)


class Kind(StrEnum):
    """What an event is about."""

    APPLIED = "applied"
    HEALED = "healed"
    ROLLED_BACK = "rolled-back"
    DRIFT = "drift"
    REFUSED = "refused"
    ERROR = "error"

    @property
    def lasts(self) -> bool:
        """Whether it is true until it is no more, and not of a moment."""
        return self in (Kind.DRIFT, Kind.REFUSED, Kind.ERROR)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, once.

    Attributes:
        at: RFC 3339 time, UTC.
        revision: the commit; `none` before there was one.
        goal: None = not about one goal.
        text: one line, then perhaps a line a host; foreign text in it.
        hosts: that it is about, two hundred at most.
        run: of the rollout; empty = of none.
        assignment: what was rolled out, or is held now, as `policy@digest`.
    """

    at: str
    kind: Kind
    revision: str
    goal: str | None
    text: str
    hosts: tuple[str, ...] = ()
    run: str = ""
    assignment: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same as another, whenever that was."""
        return (self.kind, self.goal or "", self.run, self.text)


@dataclass(frozen=True, slots=True)
class Cycle:
    """What a cycle found and did.

    Attributes:
        began: RFC 3339 time, UTC.
        seconds: how long it took.
        code: OK also when nothing was to be done; LEASE_HELD = another controller works, this one waits.
        words: the same for people, in one line.
        revision: the commit that it was about, `none` when there is none yet.
        fleet, plan, observed: of the end of the cycle; None or empty when it did not come so far.
        carried_out: the plan that a rollout was made of.
        applied: how that ended; None = nothing was rolled out.
    """

    began: str
    seconds: float
    code: ExitCode
    words: str
    revision: str
    fleet: Fleet | None = None
    plan: Plan | None = None
    observed: Mapping[str, Observed] = field(default_factory=dict, hash=False)
    carried_out: Plan | None = None
    applied: Applied | None = None


def events_of(cycle: Cycle) -> list[Event]:
    """What people are told of a cycle, most important things first."""
    found: list[Event] = []
    if cycle.code is ExitCode.REFUSED:
        found.append(Event(cycle.began, Kind.REFUSED, cycle.revision, None, cycle.words))
    elif cycle.code is ExitCode.ERROR:
        found.append(Event(cycle.began, Kind.ERROR, cycle.revision, None, cycle.words))
    if cycle.applied is not None and cycle.carried_out is not None:
        found += _of_run(cycle, cycle.carried_out, cycle.applied)
    if cycle.plan is not None:
        found += _drift(cycle, cycle.plan)
    return found


def held_now(before: Mapping[str, tuple[Held, ...]], cycle: Cycle) -> dict[str, tuple[Held, ...]]:
    """What each host holds: its own word, and what was known before of those that could not be asked."""
    held = {
        name: seen.status.held if seen.status else before.get(name, ())
        for name, seen in cycle.observed.items()
    }
    return {name: each for name, each in held.items() if each}


def trials_seen(before: Mapping[str, str], cycle: Cycle) -> dict[str, str]:
    """By host, the run whose trial it was on when it was last seen on one."""
    seen = {name: each.status.trial for name, each in cycle.observed.items() if each.status}
    found = {**before, **{name: trial.run for name, trial in seen.items() if trial}}
    return {name: run for name, run in found.items() if name in cycle.observed}


def _of_run(cycle: Cycle, plan: Plan, applied: Applied) -> Iterator[Event]:
    plans = {host.host: host for host in plan.hosts}
    goals = dict.fromkeys(result.goal for result in applied.hosts)
    for goal in goals:
        results = [result for result in applied.hosts if result.goal == goal]
        failed = [result for result in results if result.tried and result.phase in _BAD]
        confirmed = [result.host for result in results if result.phase is Phase.CONFIRMED]
        healed = [host for host in confirmed if plans[host].action is Action.HEAL]
        new = [host for host in confirmed if host not in healed]
        if failed:
            yield _event(cycle, Kind.ROLLED_BACK, goal, _failure(failed), failed, plans, applied.run)
        for kind, hosts, done in ((Kind.APPLIED, new, "confirmed on"), (Kind.HEALED, healed, "healed on")):
            if hosts:
                text = f"{plans[hosts[0]].after} {done} {listed(hosts, _MOST_HOSTS)}"
                ended = [result for result in results if result.host in hosts]
                yield _event(cycle, kind, goal, text, ended, plans, applied.run)


def _event(
    cycle: Cycle,
    kind: Kind,
    goal: str | None,
    text: str,
    results: list[HostResult],
    plans: Mapping[str, HostPlan],
    run: str,
) -> Event:
    hosts = tuple(result.host for result in results)
    wanted = plans[hosts[0]].desired.assignment
    named = hosts[:_MOST_LISTED]
    return Event(cycle.began, kind, cycle.revision, goal, text, named, run, str(wanted) if wanted else "")


def _failure(failed: list[HostResult]) -> str:
    """What failed first, and how each host came out of it."""
    first = next((result for result in failed if result.phase is Phase.FAILED), failed[0])
    lines = [f"{result.host}: {result.phase}: {result.detail}" for result in failed[:_MOST_HOSTS]]
    more = len(failed) - _MOST_HOSTS
    lines += [f"and {counted(more, 'more host')}"] if more > 0 else []
    kept = any(result.phase is Phase.NOT_ROLLED_BACK for result in failed)
    end = "NOT every host is back on what it ran before" if kept else "every host runs what it ran before"
    return "\n".join([f"failed on {first.host}; {end}; not tried again until it changes", *lines])


def _drift(cycle: Cycle, plan: Plan) -> Iterator[Event]:
    drifted = [host for host in plan.hosts if host.drifted or host.action is Action.ADOPT]
    for goal in dict.fromkeys(host.desired.goal for host in drifted):
        hosts = [host for host in drifted if host.desired.goal == goal]
        names = [host.host for host in hosts]
        text = f"{listed(names, _MOST_HOSTS)}: {hosts[0].reason or hosts[0].problem}"
        yield Event(cycle.began, Kind.DRIFT, cycle.revision, goal, text, tuple(names[:_MOST_LISTED]))
