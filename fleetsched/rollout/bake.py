# SPDX-License-Identifier: Apache-2.0
"""One host's trial: attach, watch, confirm or revert. Runs in a worker thread, over one helper channel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from fleetsched.errors import HelperError, HostError, LeaseHeldError, UnreachableError, UnsettledError
from fleetsched.helper.client import HelperClient
from fleetsched.model.assignment import Assignment
from fleetsched.model.health import (
    Health,
    host_checks,
    wants_pressure,
    wants_run_queue,
    watch_interval_s,
)
from fleetsched.model.observation import Latency
from fleetsched.model.program import Program
from fleetsched.model.rollout import Phase
from fleetsched.model.state import EndedTrial, Sample, Status, Trial
from fleetsched.model.statement import Signed
from fleetsched.model.strategy import HealthCheck

BEFORE_S = 5.0
"""How long the run-queue latency is measured before the attach, where a check needs it."""

_SHORTEST_LOOK_S = 0.1
"""Of the protocol: helpers take no shorter `interval_ms`."""

Report = Callable[[str, str], None]
"""Called with what the host is doing (one word) and a detail for people."""


@dataclass(frozen=True, slots=True)
class TrialOrder:
    """What to try on a host and what it takes to confirm it.

    Attributes:
        object: the policy's bytes; None when the host has them already (a rollback to an earlier policy), or
            the policy is a program.
        deadline_s: the host reverts by itself this long after the attach.
        bake_s: how long it is watched before it is confirmed, by the host's clock; longer when the helper
            asks for more, or until a check that has only failed so far was looked at as often as it may fail.
        run, revision: recorded on the host with the assignment.
        hold: why the policy that this one replaces is not to be tried again; None when it may be.
        signed: for a host that takes nothing else.
    """

    assignment: Assignment
    object: bytes | None
    checks: tuple[HealthCheck, ...]
    deadline_s: float
    bake_s: float
    run: str
    revision: str
    hold: str | None = None
    signed: Signed | None = None
    program: Program | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How the work on one host ended, in words for people."""

    phase: Phase
    detail: str


def try_and_confirm(
    helper: HelperClient,
    again: Callable[[], HelperClient],
    lease: Callable[[], int],
    order: TrialOrder,
    abort: threading.Event,
    report: Report,
) -> Ended:
    """Take one host through a whole trial.

    Args:
        helper: of the host.
        again: connects to it once more.
        lease: renews the host's lease just before the attach, which may have taken long to come to; returns
            its token. What it raises ends the work before anything is attached.
        order: what is tried.
        abort: set when it is to be given up.
        report: told of every change.

    Returns:
        CONFIRMED, FAILED (the host is back on its last known good) or REVERTED (aborted; nobody is blamed).

    Raises:
        LeaseHeldError: another run has the host; it runs what it ran before.
        HelperError: the host refused the trial before or while attaching; it runs what it ran before.
        UnreachableError: the connection was lost; the host reverts at the deadline by itself.
        UnsettledError: it was lost while the host was to confirm; whether it has is not known.
    """
    if order.object is not None:
        report("staging", f"{order.assignment.digest[:8]}, {len(order.object)} bytes")
        helper.stage(order.assignment.digest, order.object)
    before = _run_queue_before(helper, report) if wants_run_queue(order.checks) else None
    token = lease()
    report("trying", str(order.assignment))
    tried = helper.try_(
        order.assignment,
        deadline_s=order.deadline_s,
        run=order.run,
        revision=order.revision,
        token=token,
        hold=order.hold,
        signed=order.signed,
        program=order.program,
    )
    trial = tried.trial
    report(
        "enabled",
        f"{trial.ops} by the host's kernel, enable_seq {trial.enable_seq}, gap {tried.window_ms} ms",
    )
    health = Health(order.checks, trial, before=before)
    failure = _bake(helper, order, health, abort, report)
    if failure is None:
        return _confirm(helper, again, order, trial, token)
    return _revert(helper, trial, token, failure, aborted=abort.is_set())


def _run_queue_before(helper: HelperClient, report: Report) -> Latency:
    """Measure what the trial is compared with; where that cannot be measured, nothing is tried.

    By a watch: an `observe` is refused while a person observes the host.
    """
    report("measuring", f"run-queue latency before the attach, for {BEFORE_S:g} s")
    *_, last, _ = helper.watch(interval_s=BEFORE_S, for_s=BEFORE_S, run_queue=True)
    return (last.run_queue if isinstance(last, Sample) else None) or Latency()


def _bake(
    helper: HelperClient, order: TrialOrder, health: Health, abort: threading.Event, report: Report
) -> str | None:
    """Watch the host until the bake is over: None when healthy, else why not (empty: the trial has ended)."""
    bake_ms = max(int(order.bake_s * 1000), health.trial.confirm_in_ms)
    step_s = min(watch_interval_s(order.checks), bake_ms / 1000)
    elapsed_ms = 0
    # Short watches instead of one long one: a host answers in order, so a revert would wait behind it.
    while elapsed_ms < bake_ms or health.is_undecided:
        if abort.is_set():
            return "another host of the rollout failed"
        look_s = _look_s((bake_ms - elapsed_ms) / 1000, step_s)
        try:
            looked = _look(helper, health, look_s, elapsed_ms)
        except HelperError as error:
            if error.code != "no-observer":  # it was there before the attach
                raise
            return error.message
        if looked is None:
            return ""
        health, elapsed_ms = looked
        if health.findings:
            return "; ".join(map(str, health.findings))
        report("baking", f"{min(bake_ms, elapsed_ms) / 1000:.0f} of {bake_ms / 1000:.0f} s, healthy")
    return None


def _look_s(left_s: float, step_s: float) -> float:
    """How long the next look lasts, so that the last one ends with the bake and none is too short to tell."""
    if left_s <= 0 or left_s >= 2 * step_s:
        return step_s
    return max(_SHORTEST_LOOK_S, left_s if left_s <= step_s else left_s / 2)


def _look(helper: HelperClient, health: Health, look_s: float, since_ms: int) -> tuple[Health, int] | None:
    """Watch for `look_s`, from `since_ms` after the attach on.

    Time is what the host says is left until its deadline. A look lasts longer than was asked for: the host's
    checks run at both of its ends, and the way there and back comes on top.

    Returns:
        The health then, and the milliseconds since the attach; None = the trial has ended.
    """
    elapsed_ms, opens = since_ms, True
    for seen in helper.watch(
        interval_s=look_s,
        for_s=look_s,
        pressure=wants_pressure(health.checks),
        run_queue=wants_run_queue(health.checks),
        checks=host_checks(health.checks),
    ):
        if isinstance(seen, Sample):
            elapsed_ms = max(since_ms + seen.elapsed_ms, _since_attach_ms(health.trial, seen.trial))
            health = health.see(replace(seen, elapsed_ms=elapsed_ms), opens=opens)
            opens = False
        elif seen.status.trial is None or seen.status.trial.id != health.trial.id:
            return None
        else:
            elapsed_ms = max(elapsed_ms, _since_attach_ms(health.trial, seen.status.trial))
    return health, elapsed_ms


def _since_attach_ms(then: Trial, now: Trial | None) -> int:
    """The time between two words of the host about a trial; 0 when it is over."""
    return then.deadline_in_ms - now.deadline_in_ms if now is not None and now.id == then.id else 0


def unsettled(host: str, lost: Exception, change: str) -> UnsettledError:
    """Say that nobody knows whether a change came to pass. `change`: what the host runs if it did."""
    return UnsettledError(
        f"{getattr(lost, 'message', '') or lost}; {change}, or what it ran before: that is not known",
        remedy=f"see `fleetsched plan --limit {host}` once it answers",
    )


def _confirm(
    helper: HelperClient, again: Callable[[], HelperClient], order: TrialOrder, trial: Trial, token: int
) -> Ended:
    try:
        return _ask_to_confirm(helper, trial, token)
    except (UnreachableError, TimeoutError) as lost:
        try:
            return _after_a_lost_answer(again(), order, trial, token)
        except (HostError, LeaseHeldError, TimeoutError):
            raise unsettled(helper.host, lost, f"it runs {trial.assignment}") from lost


def _after_a_lost_answer(helper: HelperClient, order: TrialOrder, trial: Trial, token: int) -> Ended:
    """Ask the host whether it has confirmed; when it did not get so far, it is asked to, once more."""
    status = helper.status()
    if status.trial is not None and status.trial.id == trial.id:
        return _ask_to_confirm(helper, trial, token)
    record = status.last_known_good
    if record is not None and (record.run, record.assignment) == (order.run, trial.assignment):
        return _confirmed(trial, status)
    return _lost(status.last_trial, trial)


def _ask_to_confirm(helper: HelperClient, trial: Trial, token: int) -> Ended:
    try:
        status = helper.confirm(trial.id, token=token)
    except HelperError as error:
        if error.code not in {"ejected", "no-trial"}:
            raise
        return _lost(helper.status().last_trial, trial)
    return _confirmed(trial, status)


def _confirmed(trial: Trial, status: Status) -> Ended:
    return Ended(Phase.CONFIRMED, f"{trial.assignment}, enable_seq {status.kernel.enable_seq}")


def _revert(helper: HelperClient, trial: Trial, token: int, why: str, *, aborted: bool) -> Ended:
    if not why:
        return _lost(helper.status().last_trial, trial)
    try:
        helper.revert(trial.id, why=why, token=token, hold=not aborted)
    except HelperError as error:
        if error.code != "no-trial":
            raise
        return _lost(helper.status().last_trial, trial)
    return Ended(Phase.REVERTED if aborted else Phase.FAILED, why)


def _lost(ended: EndedTrial | None, trial: Trial) -> Ended:
    """The trial ended without us: the host's own record says how."""
    if ended is None or ended.id != trial.id:
        return Ended(Phase.FAILED, "the trial ended, and the host no longer knows how")
    if ended.outcome == "ejected":
        return Ended(Phase.FAILED, f"ejected by the kernel: {ended.exit or 'no exit record'}")
    if ended.outcome == "confirmed":
        return Ended(Phase.FAILED, "it was confirmed, and did not stay")
    return Ended(Phase.FAILED, f"the trial {ended.outcome} before it was confirmed")
