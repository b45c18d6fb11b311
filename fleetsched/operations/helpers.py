# SPDX-License-Identifier: Apache-2.0
"""`fleetsched helper`: which helpers hosts run, and bringing them to this fleetsched's own, canary first."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path

from fleetsched import __version__
from fleetsched.errors import BuildError, ExitCode, FleetschedError, HelperError
from fleetsched.helper.signing import sign
from fleetsched.helper.wire import TOO_OLD_REMEDY
from fleetsched.model.fleet import Fleet
from fleetsched.model.helper import Compared, HostHelper, compare
from fleetsched.model.plan import Action, Claim, HostPlan, Observed
from fleetsched.model.run import Applied, HostResult
from fleetsched.model.statement import HELPER_NAMESPACE
from fleetsched.model.strategy import BUILT_IN_STRATEGY, Count, RolloutStrategy
from fleetsched.operations.apply import NO_GOAL
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.plan import Planned
from fleetsched.operations.running import new_run, results, under_way, worst
from fleetsched.rollout.bake import Ended
from fleetsched.rollout.engine import Change, roll_out
from fleetsched.rollout.run import HostEvent, Run, StopRequest
from fleetsched.rollout.session import HelperFiles, HostSession
from fleetsched.rollout.upgrade import UPGRADE_S, install_helper, upgrade_helper

_OF_GROUPS = frozenset({Claim.GOAL, Claim.KERNEL_DEFAULT, Claim.UNBOUND})
_FIRST_UPGRADABLE = 2  # the first protocol whose helpers can be replaced by themselves


def helpers(observed: Mapping[str, Observed], files: Callable[[str], HelperFiles]) -> tuple[HostHelper, ...]:
    """Say for each host which helper it runs.

    Args:
        observed: what the hosts said.
        files: gives this fleetsched's own by architecture; where it cannot, versions alone are compared.
    """

    @cache
    def own_digest(arch: str) -> str:
        try:
            return hashlib.sha256(files(arch).binary).hexdigest()
        except BuildError:
            return ""

    def one(host: str, seen: Observed) -> HostHelper:
        if seen.helper is None:
            return HostHelper(host, None, None, seen.error)
        digest = own_digest(seen.facts.arch) if seen.facts else ""
        return HostHelper(host, seen.helper, compare(seen.helper, __version__, digest))

    return tuple(one(host, seen) for host, seen in observed.items())


def plan_upgrade(planned: Planned, access: FleetAccess) -> tuple[HostPlan, ...]:
    """The hosts whose helper is not this fleetsched's own, in rollout order, and those that are unknown.

    Hosts without a helper are left out, and no helper is ever made older.
    """
    found = {found.host: found for found in helpers(planned.observed, access.helper_files)}
    return tuple(
        _plan(plan, found[plan.host], planned.observed[plan.host], can_sign=bool(access.controller.sign.key))
        for plan in planned.plan.hosts
        if not plan.known or found[plan.host].compared in (Compared.OLDER, Compared.OTHER_BUILD)
    )


def _plan(plan: HostPlan, found: HostHelper, seen: Observed, *, can_sign: bool) -> HostPlan:
    if found.helper is None or seen.status is None:
        return plan  # unknown
    problem, remedy = "", ""
    if found.helper.protocol < _FIRST_UPGRADABLE:
        problem = f"helper {found.helper.version} is too old to be upgraded by itself"
        remedy = TOO_OLD_REMEDY
    elif seen.status.trial:
        problem = f"a trial of {seen.status.trial.assignment} by {seen.status.trial.run} is on"
        remedy = "wait until it has ended"
    elif seen.facts and seen.facts.signatures and not can_sign:
        problem = "it takes only signed helpers, and there is no key to sign with"
        remedy = "name a key (`sign: {key: ...}` in the controller's file)"
    return replace(
        plan,
        action=Action.NONE,
        install_helper=False,
        before=f"helper {found.helper.version}",
        after=f"helper {__version__}",
        reason=str(found.compared),
        problem=problem,
        remedy=remedy,
    )


def plan_install(planned: Planned) -> tuple[HostPlan, ...]:
    """The hosts of groups that have no helper, in rollout order, and those that are unknown."""
    return tuple(
        _plan_first(plan, planned.observed[plan.host])
        for plan in planned.plan.hosts
        if plan.desired.claim in _OF_GROUPS and (not plan.known or planned.observed[plan.host].helper_missing)
    )


def _plan_first(plan: HostPlan, seen: Observed) -> HostPlan:
    if not plan.known:
        return plan
    return replace(
        plan,
        action=Action.NONE,
        install_helper=False,
        before="no helper",
        after=f"helper {__version__}",
        reason="",
        problem=seen.obstacle.message if seen.obstacle else "",
        remedy=seen.obstacle.remedy if seen.obstacle else "",
    )


def install_helpers(
    access: FleetAccess,
    planned: Planned,
    hosts: tuple[HostPlan, ...],
    *,
    journals: Path,
    report: Callable[[HostEvent], None],
    stop: StopRequest | None = None,
) -> Applied:
    """Bring their first helper to `hosts`, as `upgrade` does with newer ones; they go on as they are.

    Raises:
        InterruptedRunError: KeyboardInterrupt; a helper is there whole, or not at all.
    """
    return _change(access, planned, hosts, install_helper, (), journals, report, stop)


def upgrade(
    access: FleetAccess,
    planned: Planned,
    hosts: tuple[HostPlan, ...],
    *,
    journals: Path,
    report: Callable[[HostEvent], None],
    stop: StopRequest | None = None,
) -> Applied:
    """Upgrade the helpers of `hosts`, goal by goal in the steps of its strategy; the first failure stops it.

    Nothing is rolled back: a host whose new helper fails has its old one already; none is downgraded.

    Raises:
        LeaseHeldError: another run holds a host; nothing was changed.
        InterruptedRunError: KeyboardInterrupt; a helper that is being replaced finishes that by itself.
    """
    leases = ((plan.host, UPGRADE_S) for plan in hosts if plan.known and not plan.problem)
    change = _Signer(access.controller.sign.key).upgrade
    return _change(access, planned, hosts, change, leases, journals, report, stop)


def _change(
    access: FleetAccess,
    planned: Planned,
    hosts: tuple[HostPlan, ...],
    change: Change,
    leases: Iterable[tuple[str, float]],
    journals: Path,
    report: Callable[[HostEvent], None],
    stop: StopRequest | None,
) -> Applied:
    run = new_run(access, planned.reached, {}, journals, report, stop)
    with under_way(run, "helper-run", leases, version=__version__):
        sizes = Counter(plan.desired.goal for plan in planned.plan.hosts)
        applied = _roll_out_all(run, hosts, access.fleet, sizes, change)
        run.journal.write("end", exit_code=int(applied.exit_code))
    return applied


def _roll_out_all(
    run: Run,
    hosts: tuple[HostPlan, ...],
    fleet: Fleet,
    sizes: Mapping[str | None, int],
    change: Change,
) -> Applied:
    ended: list[HostResult] = []
    codes = [ExitCode.OK]
    rollouts = [*_by_goal(hosts)]
    for number, (goal, plans) in enumerate(rollouts):
        run.journal.write("goal", goal=goal, hosts=[*plans])
        outcome = roll_out(run, plans, _strategy(goal, fleet).of_group(sizes[goal]), change)
        ended += results(goal, outcome)
        codes.append(outcome.exit_code)
        run.give_back(plans)
        if outcome.exit_code not in (ExitCode.OK, ExitCode.UNREACHABLE):
            left = tuple(rest or NO_GOAL for rest, _ in rollouts[number + 1 :])
            return Applied(run.id, worst(codes), tuple(ended), run.journal.path, left)
    return Applied(run.id, worst(codes), tuple(ended), run.journal.path)


class _Signer:
    """Upgrades hosts, and signs each helper once: a key may ask for a passphrase or a touch.

    Args:
        key: as the controller's file names it; empty = none, and no host that wants signatures is reached.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._made: dict[bytes, str] = {}

    def upgrade(self, run: Run, session: HostSession, plan: HostPlan) -> Ended:
        """The helper's version is this package's; a test holds both together."""
        return upgrade_helper(run, session, plan, __version__, self._sign)

    def _sign(self, binary: bytes) -> str:
        with self._lock:
            if binary not in self._made:
                try:
                    self._made[binary] = sign(binary, Path(self._key).expanduser(), HELPER_NAMESPACE)
                except FleetschedError as error:
                    raise HelperError(error.message, code="unsigned", remedy=error.remedy) from error
            return self._made[binary]


def _by_goal(hosts: tuple[HostPlan, ...]) -> Iterator[tuple[str | None, dict[str, HostPlan]]]:
    for goal, group in groupby(hosts, key=lambda plan: plan.desired.goal):
        yield goal, {plan.host: plan for plan in group}


def _strategy(goal: str | None, fleet: Fleet) -> RolloutStrategy:
    strategy = fleet.strategies[fleet.goals[goal].rollout] if goal else BUILT_IN_STRATEGY
    budget = replace(strategy.failure_budget, failed=Count(0))  # of a program that is the same for all
    return replace(strategy, failure_budget=budget, on_failure="stop")
