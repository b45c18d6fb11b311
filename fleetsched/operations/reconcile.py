# SPDX-License-Identifier: Apache-2.0
"""One cycle of the reconciler over hosts: clear what a killed one left, look, carry out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fleetsched.errors import ExitCode, FleetschedError, InterruptedRunError
from fleetsched.model.fleet import Fleet
from fleetsched.model.plan import CHANGING, Observed, Plan
from fleetsched.model.run import Applied, Outlook
from fleetsched.model.state import Held
from fleetsched.operations.apply import apply, look_ahead
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.objects import build_objects
from fleetsched.operations.observe import look_at
from fleetsched.operations.plan import EVERY_HOST, Planned, make_plan, plan_these, select
from fleetsched.operations.take_over import (
    cut_off_runs,
    finish_rollback,
    let_go_abandoned,
    mark_taken_over,
    take_over,
)
from fleetsched.rollout.run import HostEvent, StopRequest
from fleetsched.views.run import verdict


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What came of it.

    Attributes:
        code, words: how it ended; LEASE_HELD = another controller works on hosts, and this one waits.
        plan, observed: of the end.
        carried_out: the plan that was carried out.
        applied: None = nothing could or had to be rolled out.
    """

    code: ExitCode
    words: str
    plan: Plan
    observed: Mapping[str, Observed]
    carried_out: Plan | None = None
    applied: Applied | None = None


def reconcile(
    access: FleetAccess,
    *,
    journals: Path,
    report: Callable[[HostEvent], None],
    stop: StopRequest,
    may_change: bool = True,
    remembered: Mapping[str, Sequence[Held]] | None = None,
    seen: Mapping[str, str] | None = None,
    build: Callable[[Fleet, Plan], Mapping[str, bytes]] = build_objects,
) -> Reconciled:
    """Bring every host to what the approved revision wants, as `apply` does; nobody is asked.

    Args:
        access: of an approved revision.
        journals: a folder that no other controller uses; runs that were cut off are found there.
        report: progress of hosts.
        stop: asked for, no further step begins.
        may_change: whether something may be rolled out; what a killed run left is cleared in any case.
        remembered: what hosts that cannot be asked now have held, as for `plan_hosts`.
        seen: by host, the run whose trial it was last seen on.
        build: makes the objects.

    Raises:
        FleetschedError: as `apply`.
    """
    hosts = select(access.fleet, EVERY_HOST)
    with plan_these(access, hosts) as planned:
        planned = _take_over(access, planned, journals, report)
        if seen and let_go_abandoned(planned, journals, seen, report):
            planned = _look_again(access, planned)
        if remembered:
            planned = _planned(access, planned, planned.observed, remembered)
        owner = _worked_on(planned)
        if owner:
            return _nothing(planned, ExitCode.LEASE_HELD, f"waits: {owner}")
        outlooks, code = look_ahead(planned.plan, access.fleet)
        if not may_change or not any(batch.hosts for each in outlooks for batch in each.batches):
            return _nothing(planned, code, _words(planned.plan, outlooks))
        applied = apply(access, planned, journals=journals, report=report, stop=stop, build=build)
        after = _planned(access, planned, look_at(planned.reached), remembered)
        return Reconciled(
            applied.exit_code, verdict(applied), after.plan, after.observed, planned.plan, applied
        )


def _nothing(planned: Planned, code: ExitCode, words: str) -> Reconciled:
    return Reconciled(code, words, planned.plan, planned.observed)


def _words(plan: Plan, outlooks: Sequence[Outlook]) -> str:
    obstacle = next((each.obstacle for each in outlooks if each.obstacle), "")
    counts = ", ".join(f"{count} {word}" for word, count in sorted(plan.counts().items()))
    return f"nothing can be done: {obstacle}" if obstacle else f"nothing to do: {counts or 'no hosts'}"


def _worked_on(planned: Planned) -> str:
    """Which host that is to be changed another controller has; empty = none."""
    for host in planned.plan.hosts:
        status = planned.observed[host.host].status
        if host.action in CHANGING and status and status.lease:
            return f"{host.host} is held by {status.lease.owner}"
    return ""


def _look_again(access: FleetAccess, planned: Planned) -> Planned:
    return _planned(access, planned, look_at(planned.reached))


def _planned(
    access: FleetAccess,
    planned: Planned,
    observed: Mapping[str, Observed],
    remembered: Mapping[str, Sequence[Held]] | None = None,
) -> Planned:
    """The same hosts planned anew from what they say now."""
    hosts = [session.host for session in planned.reached.sessions.values()]
    return replace(planned, plan=make_plan(access, hosts, observed, remembered), observed=observed)


def _take_over(
    access: FleetAccess, planned: Planned, journals: Path, report: Callable[[HostEvent], None]
) -> Planned:
    """Clear first what every run has left, since one may have been about another; then go on with each."""
    found = list(cut_off_runs(journals))
    if not found:
        return planned
    cleared = [(file, cut) for file, cut in found if take_over(planned.reached, file, cut, report)]
    for file, cut in cleared:
        planned = _look_again(access, planned)
        try:
            finish_rollback(access, planned, cut, journals=journals, report=report)
        except InterruptedRunError:
            raise  # workers of that rollback still use the sessions
        except FleetschedError as error:
            report(HostEvent("", "taking over", f"run {cut.run}: {error.message}"))
        else:
            mark_taken_over(file)
    return _look_again(access, planned)
