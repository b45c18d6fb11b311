# SPDX-License-Identifier: Apache-2.0
"""`fleetsched apply`: carry a plan out, canary first, and undo it where it fails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from fleetsched.errors import ExitCode, HostError, RefusedError
from fleetsched.model.fleet import Fleet
from fleetsched.model.inventory import Host
from fleetsched.model.plan import CHANGING, Action, HostPlan, Plan
from fleetsched.model.rollout import Done, Phase, decide
from fleetsched.model.run import Applied, HostResult, Outlook
from fleetsched.model.strategy import BUILT_IN_STRATEGY, FailureBudget, Percent, RolloutStrategy
from fleetsched.model.wording import listed
from fleetsched.operations.fleet import FleetAccess, may_skip_review
from fleetsched.operations.objects import build_objects
from fleetsched.operations.plan import Planned
from fleetsched.operations.running import new_run, results, under_way, worst
from fleetsched.rollout.engine import begin, roll_out
from fleetsched.rollout.run import HostEvent, Run, StopRequest
from fleetsched.rollout.signatures import Wish

_MOST_NAMED = 5
NO_GOAL = "hosts that no goal claims"
# Giving a host back to the kernel's scheduler is no risk that those out of reach would tell of.
_UNCLAIMED = replace(BUILT_IN_STRATEGY, failure_budget=FailureBudget(unreachable=Percent(100)))


def check_lab(access: FleetAccess, hosts: Iterable[Host]) -> None:
    """Refuse to skip the review of what is not approved, unless all `hosts` are a lab's.

    Raises:
        RefusedError: no host was asked or changed.
    """
    if not access.revision.approved and not may_skip_review(hosts):
        raise RefusedError(
            f"refused: NOT APPROVED: {'; '.join(access.revision.objections)}",
            remedy="--unreviewed works only for a lab: SSH to loopback addresses, known_hosts of `lab up`",
        )


def apply(
    access: FleetAccess,
    planned: Planned,
    *,
    journals: Path,
    report: Callable[[HostEvent], None],
    stop: StopRequest | None = None,
    build: Callable[[Fleet, Plan], Mapping[str, bytes]] = build_objects,
) -> Applied:
    """Carry out `planned`, goal by goal. `open_fleet` or `check_lab` has refused what is not approved.

    Raises:
        BuildError: a policy does not build to what its lock says; nothing was changed.
        HelperError: a host takes only signed assignments, and signing fails; nothing was changed.
        LeaseHeldError: another run holds a host; nothing was changed.
        RefusedError: another run has changed a host since it was planned; nothing was changed.
        InterruptedRunError: KeyboardInterrupt, whatever `stop` says; hosts on trial go back by themselves.
    """
    objects = build(access.fleet, planned.plan)
    _sign_ahead(access, planned.plan)
    run = new_run(access, planned.reached, objects, journals, report, stop)
    rollouts = _rollouts(planned.plan, access.fleet)
    with under_way(run, "run", _leases(rollouts), revision=run.revision):
        _refuse_overtaken(run, planned.plan)
        applied = _roll_out_all(run, planned.plan, access.fleet, rollouts)
        run.journal.write("end", exit_code=int(applied.exit_code))
    return applied


def _sign_ahead(access: FleetAccess, plan: Plan) -> None:
    """Sign before anything is changed: somebody may have to be asked, and it may fail."""
    wishes = {
        Wish(host.desired.group or "", host.desired.assignment, access.revision.label, host.desired.program)
        for host in plan.hosts
        if host.signed and host.action in CHANGING and host.desired.assignment and not host.problem
    }
    for wish in wishes:
        access.signatures.signed(wish)


def look_ahead(plan: Plan, fleet: Fleet) -> tuple[list[Outlook], ExitCode]:
    """What `apply` would start, goal by goal, if all went well; and what it would return."""
    waits = _Waits(plan, fleet)
    found, codes = [], [plan.exit_code(detailed=False)]
    for rollout in _rollouts(plan, fleet):
        obstacle = waits.of(rollout)
        begun = begin(rollout.hosts, rollout.strategy)
        out = [*begun.within(Phase.CANNOT, Phase.UNREACHABLE)]
        decision = decide(begun)
        if obstacle:
            codes.append(ExitCode.PAUSED)
        elif isinstance(decision, Done):
            codes.append(decision.exit_code)
            obstacle = (
                f"more hosts cannot, or do not answer, than the failure budget allows: {', '.join(out)}"
            )
        else:
            codes.append(ExitCode.ROLLED_BACK if begun.within(Phase.CANNOT) else ExitCode.OK)
            waits.ended(rollout, begun.within(Phase.WAITING))
        found.append(Outlook(rollout.goal, () if obstacle else begun.batches, obstacle))
    return found, worst(codes)


@dataclass(frozen=True, slots=True)
class _Rollout:
    goal: str | None
    hosts: Mapping[str, HostPlan]
    strategy: RolloutStrategy
    group_size: int
    depends_on: tuple[str, ...] = ()


def _rollouts(plan: Plan, fleet: Fleet) -> list[_Rollout]:
    """Cut the plan into one rollout a goal; goals with nothing to do are left out.

    Shares in a failure budget are of all hosts that the goal has in this plan: those with nothing to do count
    too, those that `--limit` leaves out do not.
    """
    rollouts = []
    for goal, of_goal in groupby(plan.hosts, key=lambda host: host.desired.goal):
        group = [*of_goal]
        hosts = {
            host.host: host for host in group if host.changes or host.action is Action.UNKNOWN or host.problem
        }
        if any(host.changes for host in hosts.values()):
            if goal:
                manifest = fleet.goals[goal]
                strategy = fleet.strategies[manifest.rollout].of_group(len(group))
                rollouts.append(_Rollout(goal, hosts, strategy, len(group), manifest.depends_on))
            else:
                rollouts.append(_Rollout(goal, hosts, _UNCLAIMED, len(group)))
    return rollouts


def _leases(rollouts: Iterable[_Rollout]) -> Iterator[tuple[str, float]]:
    """Every host that will be changed and has a helper, with how long a trial may last there."""
    for rollout in rollouts:
        for name, plan in rollout.hosts.items():
            if plan.action in CHANGING and not plan.install_helper and not plan.problem:
                yield name, rollout.strategy.trial_deadline_s


def _refuse_overtaken(run: Run, plan: Plan) -> None:
    """Look once more at the hosts that are to be changed: another run may have been there since the plan.

    Those whose leases this run has are looked at for good. A host without a helper has no lease to be had:
    what comes between now and its own work is found then.
    """

    def moved(host: HostPlan) -> str:
        with run.sessions.use(host.host) as session:
            try:
                if host.install_helper and not host.problem:
                    return f"{host.host}: a helper was installed" if session.has_helper() else ""
                if session.token is None:
                    return ""
                record = session.helper().status().last_known_good
            except HostError:
                return ""  # as with a lease: its own work will say so
        if record == host.recorded:
            return ""
        before, now = (each.assignment if each else "none" for each in (host.recorded, record))
        return f"{host.host}: last known good {before} -> {now}"

    hosts = [host for host in plan.hosts if host.host in run.sessions]
    found = [words for words in run.executor.map(moved, hosts) if words]
    if found:
        raise RefusedError(
            f"refused: another run has come before this one: {listed(found, _MOST_NAMED, '; ')}",
            remedy="nothing was changed; plan again",
        )


class _Waits:
    """Which goals are not done, so that those that depend on them wait."""

    def __init__(self, plan: Plan, fleet: Fleet) -> None:
        self._plans = {host.host: host for host in plan.hosts}
        self._left_out: set[str] = set()
        self._undone: dict[str, set[str]] = {}  # by goal, its hosts that do not run what it wants
        for name in {name for goal in fleet.goals.values() for name in goal.depends_on}:
            goal = fleet.goals[name]
            hosts = [host.name for host in fleet.hosts(goal.host_group)]
            left = {host for host in hosts if host not in self._plans or not self._plans[host].as_wanted}
            if left or goal.policy is None:
                self._undone[name] = left
            if not left <= self._plans.keys():
                self._left_out.add(name)

    def of(self, rollout: _Rollout) -> str:
        """What it waits for; empty = nothing."""
        for name in rollout.depends_on:
            if name in self._left_out:
                return f"waits for goal {name}, some of whose hosts this run leaves out"
            if name in self._undone:
                return f"waits for goal {name}"
        return ""

    def ended(self, rollout: _Rollout, confirmed: Collection[str]) -> None:
        """Take note of the hosts that a rollout has brought to what its goal wants."""
        if rollout.goal in self._undone:
            self._undone[rollout.goal].difference_update(confirmed)
            if not self._undone[rollout.goal]:
                del self._undone[rollout.goal]


def _roll_out_all(run: Run, plan: Plan, fleet: Fleet, rollouts: list[_Rollout]) -> Applied:
    codes = [plan.exit_code(detailed=False)]
    waits = _Waits(plan, fleet)
    ended: list[HostResult] = []
    for number, rollout in enumerate(rollouts):
        if why := waits.of(rollout):
            run.journal.write("goal-waits", goal=rollout.goal, why=why)
            ended += [HostResult(host, rollout.goal, Phase.WAITING, why) for host in rollout.hosts]
            codes.append(ExitCode.PAUSED)
            continue
        heals = [host for host, made in rollout.hosts.items() if made.action is Action.HEAL]
        run.journal.write(
            "goal",
            goal=rollout.goal,
            hosts=[*rollout.hosts],
            group_size=rollout.group_size,
            heals=heals,
        )
        outcome = roll_out(run, rollout.hosts, rollout.strategy)
        ended += results(rollout.goal, outcome)
        codes.append(outcome.exit_code)
        waits.ended(rollout, outcome.rollout.within(Phase.CONFIRMED))
        run.give_back(rollout.hosts)
        # What is out of reach is no news about the goals that follow; what failed, or a person's wish, is.
        given_up = outcome.rollout.over_budget and outcome.exit_code is not ExitCode.UNREACHABLE
        if given_up or outcome.exit_code is ExitCode.INTERRUPTED:
            left = tuple(rest.goal or NO_GOAL for rest in rollouts[number + 1 :])
            return Applied(run.id, worst(codes), tuple(ended), run.journal.path, left)
    return Applied(run.id, worst(codes), tuple(ended), run.journal.path)
