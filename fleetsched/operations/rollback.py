# SPDX-License-Identifier: Apache-2.0
"""`fleetsched rollback` and `retry`: undo what a run confirmed; let what is held be tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fleetsched.errors import ExitCode, HostError, InputError, LeaseHeldError, RefusedError
from fleetsched.model.origin import Origin, origin
from fleetsched.model.plan import Action, HostPlan, describe
from fleetsched.model.rollout import Phase
from fleetsched.model.run import Applied, HostResult, Undo
from fleetsched.model.state import Status
from fleetsched.model.wording import listed
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.plan import Planned
from fleetsched.operations.running import new_run, under_way
from fleetsched.rollout.bake import Ended
from fleetsched.rollout.change import put_back
from fleetsched.rollout.run import HostEvent, Run
from fleetsched.rollout.signatures import SIGN_THE_WAY_BACK, Wish

_DEADLINE_S = 120.0
_HISTORY = 200  # entries; the most that a helper gives
_MOST_NAMED = 5


def plan_rollback(planned: Planned, run: str | None) -> Undo:
    """Find the hosts whose last known good came from `run`, the newest one without it.

    A run that only healed a host has brought nothing there that could be undone: the host counts to the run
    before. Each host's own history tells, as other controllers may have healed it.

    Raises:
        InputError: no host has anything from that run.
    """
    origins = _origins(planned)
    if not origins:
        raise InputError("nothing to roll back: no host runs a policy that fleetsched confirmed")
    newest = run or max(origins.values(), key=lambda origin: origin.at).run
    chosen = [host for host, origin in origins.items() if origin.run == newest]
    if not chosen:
        healed = [host for host, origin in origins.items() if newest in origin.heals]
        what = f"run {newest} only healed {listed(healed, _MOST_NAMED)}, and brought nothing new"
        known = ", ".join(sorted({origin.run for origin in origins.values()}))
        raise InputError(
            what if healed else f"no host runs anything from run {newest}",
            remedy=f"runs that hosts know: {known}",
        )
    plans = {plan.host: plan for plan in planned.plan.hosts}
    return Undo(newest, tuple(undo_plan(plans[host], planned.observed[host].status) for host in chosen))


def _origins(planned: Planned) -> dict[str, Origin]:
    """Where the last known good of every host that has one came from."""

    def ask(host: str) -> Origin | None:
        status, session = planned.observed[host].status, planned.reached.sessions[host]
        if status is None or status.last_known_good is None:
            return None
        try:
            history = session.helper().history(_HISTORY)
        except (HostError, TimeoutError):
            session.close()
            history = ()  # its record still tells of the last run; going back asks the host again
        return origin(status.last_known_good, status.previous, history, _HISTORY)

    found = zip(planned.observed, planned.reached.executor.map(ask, planned.observed), strict=True)
    return {host: origin for host, origin in found if origin}


def undo_plan(plan: HostPlan, status: Status | None, reason: str = "rolled back by hand") -> HostPlan:
    """What brings a host back to what it ran before its last known good."""
    assert status is not None, "only hosts with a record are chosen"
    return replace(
        plan,
        action=Action.REPLACE if status.previous else Action.REMOVE,
        recorded=status.previous,
        after=describe(status.previous.assignment if status.previous else None),
        reason=reason,
        problem="",
        remedy="",
    )


def rollback(
    access: FleetAccess,
    planned: Planned,
    undo: Undo,
    *,
    journals: Path,
    report: Callable[[HostEvent], None],
    why: str = "rolled back by hand",
) -> Applied:
    """Put every host of `undo` back to what it ran before; what it runs now becomes held there.

    All hosts go at once: what they go back to was confirmed on them before. A host that another run has
    changed since `planned`, or has on trial, is left as it is, and counts as not rolled back.

    Raises:
        RefusedError: hosts take only signed assignments, and there is no signature; nothing was changed.
    """
    _refuse_unsigned(access, undo)
    run = new_run(access, planned.reached, {}, journals, report)
    with under_way(run, "rollback-run", undoes=undo.run):
        results = tuple(
            run.executor.map(
                lambda plan: _put_back(run, plan, planned.observed[plan.host].status, why), undo.hosts
            )
        )
        failed = any(result.phase is not Phase.ROLLED_BACK for result in results)
        code = ExitCode.NOT_ROLLED_BACK if failed else ExitCode.OK
        run.journal.write("end", exit_code=int(code))
    return Applied(run.id, code, results, run.journal.path)


def _refuse_unsigned(access: FleetAccess, undo: Undo) -> None:
    for plan in undo.hosts:
        if plan.signed and plan.recorded:
            record = plan.recorded
            wish = Wish(plan.desired.group or "", record.assignment, record.revision, record.program)
            if why := access.signatures.missing(wish):
                raise RefusedError(
                    f"{plan.host} takes only signed assignments, also to go back: {why}",
                    remedy=SIGN_THE_WAY_BACK,
                )


def _put_back(run: Run, plan: HostPlan, seen: Status | None, why: str) -> HostResult:
    try:
        with run.sessions.use(plan.host) as session:
            token = run.lease(plan.host, _DEADLINE_S)
            if overtaken := _overtaken(seen, session.helper().status()):
                ended = Ended(Phase.NOT_ROLLED_BACK, f"refused: {overtaken}")
            else:
                ended = put_back(run, session, plan, token, why, _DEADLINE_S)
        result = HostResult(plan.host, plan.desired.goal, ended.phase, ended.detail, tried=True)
    except (HostError, LeaseHeldError) as error:
        result = HostResult(plan.host, plan.desired.goal, Phase.NOT_ROLLED_BACK, error.message, tried=True)
    run.journal.write("host", host=plan.host, phase=result.phase, detail=result.detail)
    run.report(HostEvent(plan.host, str(result.phase), result.detail))
    return result


def _overtaken(seen: Status | None, now: Status) -> str:
    """What has come to a host since it was planned, for whoever has its lease now; empty = nothing."""
    assert seen is not None, "only hosts with a record are chosen"
    if now.trial:
        return (
            f"{now.trial.assignment} is on trial there, for run {now.trial.run} (try again when it is over)"
        )
    if (now.last_known_good, now.previous) == (seen.last_known_good, seen.previous):
        return ""
    before, after = (
        f"{record.assignment} of run {record.run}" if record else "none"
        for record in (seen.last_known_good, now.last_known_good)
    )
    return f"another run has come before this one: last known good {before} -> {after} (roll back again)"


def retry(planned: Planned) -> list[tuple[str, str]]:
    """Let go of what the plan shows as held, on every host that holds it: (host, assignment) pairs."""
    wanted = {
        plan.desired.assignment
        for plan in planned.plan.hosts
        if plan.action is Action.HELD and plan.desired.assignment
    }
    released = []
    for name, session in planned.reached.sessions.items():
        status = planned.observed[name].status
        for held in status.held if status else ():
            if held.assignment in wanted:
                session.helper().release_held(held.assignment)
                released.append((name, str(held.assignment)))
    return released
