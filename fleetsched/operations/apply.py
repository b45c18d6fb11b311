# SPDX-License-Identifier: Apache-2.0
"""`fleetsched apply`: carry a plan out, canary first, and undo it where it fails."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from fleetsched.errors import ExitCode, FleetschedError, HostError, InterruptedRunError, RefusedError
from fleetsched.model.inventory import Host
from fleetsched.model.manifests import BUILT_IN_STRATEGY, Fleet, RolloutStrategy
from fleetsched.model.plan import CHANGING, Action, Claim, HostPlan, Plan
from fleetsched.model.rollout import Phase
from fleetsched.model.run import Applied, HostResult
from fleetsched.operations.fleet import FleetAccess, may_skip_review
from fleetsched.operations.objects import build_objects
from fleetsched.operations.plan import Planned
from fleetsched.rollout.engine import LEASE_MARGIN_S, HostEvent, Outcome, Run, StopRequest, roll_out
from fleetsched.rollout.journal import Journal
from fleetsched.rollout.session import HostSession

_SEVERITY = (
    ExitCode.NOT_ROLLED_BACK,
    ExitCode.ROLLED_BACK,
    ExitCode.INTERRUPTED,
    ExitCode.PAUSED,
    ExitCode.UNREACHABLE,
    ExitCode.OK,
)


def check_lab(access: FleetAccess, hosts: Iterable[Host]) -> None:
    """Refuse to skip the review of what is not approved, unless all `hosts` are a lab's.

    Raises:
        RefusedError: no host was asked or changed.
    """
    if not access.revision.approved and not may_skip_review(hosts):
        raise RefusedError(
            f"refused: NOT APPROVED: {'; '.join(access.revision.objections)}",
            remedy="--unreviewed works only for a lab: every address on loopback, known_hosts of `lab up`",
        )


def apply(
    access: FleetAccess,
    planned: Planned,
    *,
    journals: Path,
    report: Callable[[HostEvent], None],
    stop: StopRequest | None = None,
) -> Applied:
    """Carry out `planned`, goal by goal. `open_fleet` or `check_lab` has refused what is not approved.

    Raises:
        BuildError: a policy does not build to what its lock says; nothing was changed.
        LeaseHeldError: another run holds a host; nothing was changed.
        InterruptedRunError: KeyboardInterrupt, whatever `stop` says; hosts on trial go back by themselves.
    """
    objects = build_objects(access.fleet, planned.plan)
    run = new_run(access, planned, objects, journals, report, stop)
    with run.journal:
        run.journal.write("run", run=run.id, owner=run.owner, revision=run.revision)
        rollouts = _rollouts(planned.plan, access.fleet)
        try:
            _take_leases(run, rollouts)
            applied = _roll_out_all(run, planned.plan, rollouts)
        except KeyboardInterrupt:
            # Workers still use their sessions: whoever leaves now closes them, and the leases run out.
            raise InterruptedRunError(
                f"run {run.id} was left in the middle",
                remedy="hosts on trial go back by themselves; `fleetsched plan` shows what runs where",
            ) from None
        except FleetschedError:
            drop_leases(run)
            raise
        drop_leases(run)
        run.journal.write("end", exit_code=int(applied.exit_code))
    return applied


def new_run(
    access: FleetAccess,
    planned: Planned,
    objects: Mapping[str, bytes],
    journals: Path,
    report: Callable[[HostEvent], None],
    stop: StopRequest | None = None,
) -> Run:
    """Name a run and open its journal."""
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    return Run(
        id=run_id,
        owner=f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()}), run {run_id}",
        revision=access.revision.label,
        sessions=planned.reached.sessions,
        objects=objects,
        executor=planned.reached.executor,
        journal=Journal(journals / f"{run_id}.jsonl", lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"),
        report=report,
        stop=stop or StopRequest(),
    )


@dataclass(frozen=True, slots=True)
class _Rollout:
    goal: str | None
    hosts: Mapping[str, HostPlan]
    strategy: RolloutStrategy
    depends_on: tuple[str, ...] = ()


def _rollouts(plan: Plan, fleet: Fleet) -> list[_Rollout]:
    """Cut the plan into one rollout a goal; goals with nothing to do are left out."""
    rollouts = []
    for goal, group in groupby(plan.hosts, key=lambda host: host.desired.goal):
        hosts = {
            host.host: host for host in group if host.changes or host.action is Action.UNKNOWN or host.problem
        }
        if any(host.changes for host in hosts.values()):
            if goal:
                manifest = fleet.goals[goal]
                strategy = fleet.strategies[manifest.rollout]
                rollouts.append(_Rollout(goal, hosts, strategy, manifest.depends_on))
            else:
                rollouts.append(_Rollout(goal, hosts, BUILT_IN_STRATEGY))
    return rollouts


def _take_leases(run: Run, rollouts: list[_Rollout]) -> None:
    """Take the lease of every host that already has a helper, before anything is changed."""
    wanted = [
        (name, rollout.strategy.trial_deadline_s + LEASE_MARGIN_S)
        for rollout in rollouts
        for name, plan in rollout.hosts.items()
        if plan.action in CHANGING and not plan.install_helper and not plan.problem
    ]

    def take(name: str, ttl_s: float) -> None:
        # A host that does not answer any more will say so when its own work begins; the budget decides then.
        with contextlib.suppress(HostError):
            run.sessions[name].take_lease(run.owner, ttl_s)

    for taken in [run.executor.submit(take, *want) for want in wanted]:
        taken.result()


def drop_leases(run: Run) -> None:
    """Give all leases back; for the end of a run, when no worker uses a session any more."""
    list(run.executor.map(HostSession.drop_lease, run.sessions.values()))


def _waits_for(rollout: _Rollout, undone: set[str | None]) -> str:
    """The first goal that this one depends on and that is not done; empty = none."""
    return next((name for name in rollout.depends_on if name in undone), "")


def _roll_out_all(run: Run, plan: Plan, rollouts: list[_Rollout]) -> Applied:
    codes = [plan.exit_code(detailed=False)]
    undone = {host.desired.goal for host in plan.hosts if host.action is not Action.NONE}
    undone |= {host.desired.goal for host in plan.hosts if host.desired.claim is Claim.UNBOUND}
    results: list[HostResult] = []
    for number, rollout in enumerate(rollouts):
        if waits_for := _waits_for(rollout, undone):
            run.journal.write("goal-waits", goal=rollout.goal, waits_for=waits_for)
            results += [
                HostResult(host, rollout.goal, Phase.WAITING, f"waits for goal {waits_for}")
                for host in rollout.hosts
            ]
            continue
        run.journal.write("goal", goal=rollout.goal, hosts=[*rollout.hosts])
        outcome = roll_out(run, rollout.hosts, rollout.strategy)
        results += _results(rollout.goal, outcome)
        codes.append(outcome.exit_code)
        if outcome.exit_code is ExitCode.OK:
            undone.discard(rollout.goal)
        if codes[-1] not in {ExitCode.OK, ExitCode.UNREACHABLE}:
            left = tuple(rest.goal or "hosts that no goal claims" for rest in rollouts[number + 1 :])
            return Applied(run.id, codes[-1], tuple(results), run.journal.path, left)
    worst = next(code for code in _SEVERITY if code in codes)
    return Applied(run.id, worst, tuple(results), run.journal.path)


def _results(goal: str | None, outcome: Outcome) -> list[HostResult]:
    return [
        HostResult(host, goal, phase, outcome.details.get(host, "not touched"))
        for host, phase in outcome.rollout.phases.items()
    ]
