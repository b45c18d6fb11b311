# SPDX-License-Identifier: Apache-2.0
"""What is done to one host: change it as its plan says, and put it back. Runs in a worker thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fleetsched.errors import HostError, LeaseHeldError, UnreachableError
from fleetsched.model.plan import Action, HostPlan, describe
from fleetsched.model.rollout import Phase
from fleetsched.model.strategy import RolloutStrategy, SchedulerCheck
from fleetsched.rollout.bake import Ended, TrialOrder, try_and_confirm, unsettled
from fleetsched.rollout.run import Run
from fleetsched.rollout.session import HostSession
from fleetsched.rollout.signatures import Wish


def change_host(
    run: Run,
    session: HostSession,
    plan: HostPlan,
    strategy: RolloutStrategy,
    bake_s: float,
    check_open: Callable[[], None],
    abort: threading.Event,
) -> Ended:
    """Do what the plan says on one host.

    Args:
        run: which does it.
        session: of the host, for the caller alone.
        plan: of the host; no action is `unknown` or `none` here.
        strategy: of the goal.
        bake_s: of the host's step.
        check_open: called just before the host is changed; what it raises ends the work there.
        abort: set when a trial is to be given up.

    Raises:
        HostError: the host refused or was lost; as `try_and_confirm` says.
        LeaseHeldError: another run has it.
    """
    wants_signed, others = plan.signed, False
    if plan.install_helper:
        run.report_of(plan.host)("installing", "the helper and its service")
        others = not session.install()
        facts = session.look().facts
        if facts and facts.problems:
            first = facts.problems[0]
            return Ended(Phase.FAILED, f"refused: {first.message} ({first.remedy})")
        wants_signed = facts is not None and facts.signatures
    token = run.lease(plan.host, strategy.trial_deadline_s)
    # Without a helper there was no lease to be had: whoever brought one has had the host since the plan.
    record = session.helper().status().last_known_good if others else None
    if record and record.assignment != plan.desired.assignment:
        why = f"another run has come before this one: last known good none -> {record.assignment}"
        return Ended(Phase.FAILED, f"refused: {why} (plan again)")
    if plan.action is Action.REMOVE:
        check_open()
        _stop(session, plan.reason, token, f"it runs {plan.after}")
        return Ended(Phase.CONFIRMED, f"runs {plan.after}")

    def lease() -> int:
        renewed = run.lease(plan.host, strategy.trial_deadline_s)
        check_open()
        return renewed

    order = _order(run, plan, strategy, bake_s, signed=wants_signed)
    return try_and_confirm(session.helper(), session.reconnect, lease, order, abort, run.report_of(plan.host))


def _order(run: Run, plan: HostPlan, strategy: RolloutStrategy, bake_s: float, *, signed: bool) -> TrialOrder:
    """The trial of what a plan wants on its host."""
    assignment, program = plan.desired.assignment, plan.desired.program
    assert assignment is not None, "only `remove` has no assignment"
    wish = Wish(plan.desired.group or "", assignment, run.revision, program)
    return TrialOrder(
        assignment=assignment,
        object=None if program else run.objects[assignment.digest],
        checks=strategy.health,
        deadline_s=strategy.trial_deadline_s,
        bake_s=bake_s,
        run=run.id,
        revision=run.revision,
        signed=run.signatures.signed(wish) if signed else None,
        program=program,
    )


def undo(
    run: Run, session: HostSession, plan: HostPlan, strategy: RolloutStrategy, why: str, *, settled: bool
) -> Ended:
    """Put one host that this run has changed back to what it ran before, as a trial of its own.

    Args:
        run: which does it.
        session: of the host, for the caller alone.
        plan: of the host.
        strategy: of the goal.
        why: for the host's history.
        settled: the host is known to have been changed.

    Returns, raises: as `put_back`.
    """
    try:
        token = run.lease(plan.host, strategy.trial_deadline_s)
    except (HostError, TimeoutError):
        session.reconnect()
        token = run.lease(plan.host, strategy.trial_deadline_s)
    if plan.action is Action.HEAL:
        return Ended(Phase.ROLLED_BACK, f"healed, still on {plan.after}")
    if not settled and (ended := _as_before(run, session, plan, token)):
        return ended
    return put_back(run, session, plan, token, f"rolled back: {why}", strategy.trial_deadline_s)


def _as_before(run: Run, session: HostSession, plan: HostPlan, token: int) -> Ended | None:
    """How a host ended whose change never came to pass; None = it did. A trial that is still on is ended."""
    helper = session.helper()
    status = helper.status()
    if status.trial is not None and status.trial.run == run.id:
        status = helper.revert(status.trial.id, why="nobody confirmed it", token=token, hold=False)
    if status.last_known_good != plan.recorded:
        return None
    runs = describe(plan.recorded.assignment if plan.recorded else None)
    return Ended(Phase.ROLLED_BACK, f"it was never changed, and runs {runs}")


def put_back(
    run: Run, session: HostSession, plan: HostPlan, token: int, why: str, deadline_s: float
) -> Ended:
    """Bring one host to the last known good that `plan` recorded; what it runs now becomes held.

    Args:
        run: which does it.
        session: of the host, for the caller alone.
        plan: of the host.
        token: of the run's lease.
        why: for the host's history.
        deadline_s: of the trial.

    Returns:
        ROLLED_BACK or NOT_ROLLED_BACK (the host keeps what it runs).

    Raises:
        HelperError: the host refuses, or wants a signature that there is not.
    """
    report = run.report_of(plan.host)
    if plan.recorded is None:
        report("rolling back", "to the kernel's scheduler")
        _stop(session, why, token, "it runs the kernel's scheduler", hold=why)
        return Ended(Phase.ROLLED_BACK, "runs the kernel's scheduler again")
    record = plan.recorded
    wish = Wish(plan.desired.group or "", record.assignment, record.revision, record.program)
    order = TrialOrder(
        assignment=plan.recorded.assignment,
        object=None,
        checks=(SchedulerCheck(interval_s=2.0),),
        deadline_s=deadline_s,
        bake_s=0.0,
        run=run.id,
        revision=plan.recorded.revision,
        hold=why,
        signed=run.signatures.signed(wish, brief=True) if plan.signed else None,
        program=plan.recorded.program,
    )
    ended = try_and_confirm(
        session.helper(), session.reconnect, lambda: token, order, threading.Event(), report
    )
    if ended.phase is Phase.CONFIRMED:
        return Ended(Phase.ROLLED_BACK, f"runs {plan.recorded.assignment} again")
    return Ended(Phase.NOT_ROLLED_BACK, ended.detail)


def _stop(session: HostSession, why: str, token: int, change: str, hold: str | None = None) -> None:
    """Give a host back to its kernel's scheduler; `change`: what it runs then, for `unsettled`.

    Raises:
        UnsettledError: the answer was lost, and so was the next one.
    """
    try:
        session.helper().stop(why=why, token=token, hold=hold)
    except (UnreachableError, TimeoutError) as lost:
        try:
            session.reconnect().stop(why=why, token=token, hold=hold)  # twice is the same as once
        except (HostError, LeaseHeldError, TimeoutError):
            raise unsettled(session.host.name, lost, change) from lost
