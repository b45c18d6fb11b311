# SPDX-License-Identifier: Apache-2.0
"""The engine: asks the state machine what to do, does it on hosts in threads, tells it what happened."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from fleetsched.errors import (
    ExitCode,
    HelperError,
    HostError,
    LeaseHeldError,
    UnreachableError,
    UnsettledError,
)
from fleetsched.model.plan import Action, HostPlan, describe
from fleetsched.model.rollout import Done, Phase, RollBack, Rollout, Start, Wait, decide
from fleetsched.model.strategy import RolloutStrategy, SchedulerCheck
from fleetsched.rollout.bake import Ended, TrialOrder, try_and_confirm, unsettled
from fleetsched.rollout.journal import Journal
from fleetsched.rollout.session import HostSession, Sessions
from fleetsched.rollout.signatures import NoSignatures, Signatures, Wish

LEASE_MARGIN_S = 30.0
"""How long a host's lease outlives the deadline of the trial that it covers."""

_OVER_BUDGET = "more hosts failed, or did not answer, than the failure budget allows"


@dataclass(frozen=True, slots=True)
class HostEvent:
    """Progress of one host, for views: a word, and a detail for people."""

    host: str
    word: str
    detail: str


class StopRequest:
    """A person's wish to stop at the next safe point. `request` may be called from a signal handler."""

    def __init__(self) -> None:
        self.requested = False
        self._inbox: queue.SimpleQueue[None] | None = None

    def request(self) -> None:
        """Ask for it, once or more often."""
        self.requested = True
        if self._inbox is not None:
            self._inbox.put(None)

    def tell(self, inbox: queue.SimpleQueue[Any]) -> None:
        """Wake up whoever waits on this inbox when the wish comes; None is what it gets."""
        self._inbox = inbox


@dataclass(frozen=True, slots=True)
class Run:
    """What every part of one run shares.

    Attributes:
        id: names the run on every host and in the journal.
        owner: who holds the leases, for whoever is refused by them: `user@machine, run ID`.
        revision: the commit that the plan was made of.
        sessions: the ways to the hosts.
        objects: the policies' bytes by digest.
        executor: where work on hosts is done.
        renewals: where leases of hosts that wait are renewed: `executor` may be full of work for an hour.
        stop: set when a person wants the run to end early.
        signatures: for the hosts that take only signed assignments.
    """

    id: str
    owner: str
    revision: str
    sessions: Sessions
    objects: Mapping[str, bytes]
    executor: Executor
    renewals: Executor
    journal: Journal
    report: Callable[[HostEvent], None]
    stop: StopRequest = field(default_factory=StopRequest)
    signatures: Signatures = field(default_factory=NoSignatures)

    def lease(self, host: str, deadline_s: float) -> int:
        """Take or renew a host's lease so that it outlives a trial of `deadline_s`; return its token.

        The token stands in the journal before anything is done with it: whoever goes on after this process
        was killed has the same right.

        Raises:
            LeaseHeldError: another run has it.
            HostError: the host cannot be asked.
        """
        with self.sessions.use(host) as session:
            before = session.token
            token = session.take_lease(self.owner, deadline_s + LEASE_MARGIN_S)
            if token != before:
                self.journal.write("lease", host=host, token=token)
            return token

    def give_back(self, hosts: Iterable[str]) -> None:
        """Give the leases of hosts back on which nothing is to be done any more."""

        def drop(host: str) -> None:
            with self.sessions.use(host) as session:
                session.drop_lease()

        list(self.executor.map(drop, hosts))


Change = Callable[[Run, HostSession, HostPlan], Ended]
"""Does something to one host, whose session it has alone."""


@dataclass(slots=True)
class _Work:
    """The state of one rollout that its worker threads share.

    Attributes:
        abort: hosts on trial are to go back now.
        closed: no further host is to be begun, also none of the step that is under way.
        begun: what the executor was given to do.
        told, judged: how many results of hosts there are, and after how many of them `closed` was decided.
        unsettled: the hosts that are out of reach, and may be changed or not.
        final: how hosts ended where the state machine has another word for it.
    """

    run: Run
    strategy: RolloutStrategy
    plans: Mapping[str, HostPlan]
    abort: threading.Event = field(default_factory=threading.Event)
    results: queue.SimpleQueue[tuple[str, Ended] | None] = field(default_factory=queue.SimpleQueue)
    details: dict[str, str] = field(default_factory=dict)
    change: Change | None = None
    begun: list[Future[None]] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)
    told: int = 0
    judged: int = 0
    turn: threading.Condition = field(default_factory=threading.Condition)
    final: dict[str, Phase] = field(default_factory=dict)
    unsettled: set[str] = field(default_factory=set)

    def begin(self, do: Callable[..., None], *arguments: object) -> None:
        """Give the executor something to do."""
        self.begun.append(self.run.executor.submit(do, self, *arguments))

    def leave(self) -> None:
        """Begin nothing more, and let hosts on trial go back as soon as they are looked at."""
        for future in self.begun:
            future.cancel()
        self.abort.set()
        self.close()

    def tell(self, host: str, ended: Ended) -> None:
        """Called by a worker: how a host's work ended."""
        with self.turn:
            self.told += 1
            self.results.put((host, ended))

    def judge(self, results: int) -> None:
        """Called by the main thread: it has decided what follows from so many results."""
        with self.turn:
            self.judged = results
            self.turn.notify_all()

    def close(self) -> None:
        """Begin no further host."""
        with self.turn:
            self.closed.set()
            self.turn.notify_all()

    def check_open(self, *, begun: bool) -> None:
        """Called by a worker before it changes a host: wait until all that is known was decided on.

        Raises:
            _ClosedError: the host is to be left as it is. `begun`: it may have a helper or an object more.
        """
        with self.turn:
            self.turn.wait_for(lambda: self.closed.is_set() or self.judged >= self.told)
            if self.closed.is_set():
                raise _ClosedError(begun)


class _ClosedError(Exception):
    """No further host is begun: too many have failed. Becomes its host's outcome at the per-host boundary."""

    def __init__(self, begun: bool) -> None:
        super().__init__(_OVER_BUDGET)
        self.ended = Ended(Phase.REVERTED if begun else Phase.WAITING, f"not tried: {_OVER_BUDGET}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a rollout ended: the state machine's last value and verdict, and each host's last word.

    Attributes:
        phases: how each host ended, for people.
    """

    rollout: Rollout
    phases: Mapping[str, Phase]
    details: Mapping[str, str]
    exit_code: ExitCode

    @property
    def tried(self) -> frozenset[str]:
        """The hosts whose work was begun; no other was touched."""
        return frozenset(host for host in self.rollout.tried if self.phases[host] is not Phase.WAITING)


def roll_out(
    run: Run,
    plans: Mapping[str, HostPlan],
    strategy: RolloutStrategy,
    change: Change | None = None,
) -> Outcome:
    """Carry out one goal's plan, step by step: `plans` are its hosts in rollout order.

    A host whose action is `unknown`, or that has a problem, counts in the failure budget from the start
    and is not touched.

    When `run.stop` is requested, the step that is under way goes on to its end and no other starts.

    Args:
        run: what all rollouts of one command share.
        plans: of the hosts.
        strategy: of the goal.
        change: what is done to a host instead of what its plan says; cannot be rolled back.
    """
    assert change is None or strategy.on_failure == "stop"
    work = _Work(run, strategy, plans, details=_refused(plans), change=change)
    rollout = begin(plans, strategy)
    run.stop.tell(work.results)
    if run.stop.requested:
        rollout = rollout.interrupt()
    for host, detail in work.details.items():
        run.report(HostEvent(host, str(rollout.phases[host]), detail))
    try:
        return _go_through(work, rollout)
    except BaseException:  # Ctrl-C above all, or a full disk: nobody is there any more to say what is next
        work.leave()
        raise


def _go_through(work: _Work, rollout: Rollout) -> Outcome:
    """Ask the state machine, and do what it says, until nothing is left to do."""
    run, results = work.run, 0
    while True:
        match decide(rollout):
            case Start(step, batch):
                rollout = rollout.started()
                run.journal.write("step", number=step, hosts=batch.hosts, bake_s=batch.bake_s)
                for host in batch.hosts:
                    work.begin(_guarded, host, batch.bake_s)
            case RollBack(hosts):
                rollout = rollout.rolling_back(hosts)
                why = _why(work, rollout)
                run.journal.write("rollback", hosts=hosts, why=why)
                for host in hosts:
                    work.begin(_guarded_undo, host, why)
            case Wait(abort):
                if abort:
                    work.abort.set()
                if rollout.over_budget:
                    work.close()
                work.judge(results)
                result = work.results.get()
                results += result is not None
                rollout = _record(work, rollout, result)
            case Done(exit_code):
                exit_code = _settle(work, rollout, exit_code)
                return Outcome(rollout, {**rollout.phases, **work.final}, work.details, exit_code)


def _settle(work: _Work, rollout: Rollout, exit_code: ExitCode) -> ExitCode:
    """See to the hosts that may be changed or not before anybody says that all is back; what to return then.

    To the state machine they are out of reach, and count as such in the failure budget. What it rolls back
    are the hosts that it knows to be changed.
    """
    hosts = [host for host in rollout.phases if host in work.unsettled]
    if hosts and rollout.over_budget and rollout.rolls_back:
        _put_back_unsettled(work, hosts, _why(work, rollout))
    elif exit_code is ExitCode.ROLLED_BACK and not rollout.within(Phase.CONFIRMED):
        work.final |= dict.fromkeys(hosts, Phase.NOT_ROLLED_BACK)
    ends = {work.final[host] for host in hosts if host in work.final}
    if Phase.NOT_ROLLED_BACK in ends:
        return ExitCode.NOT_ROLLED_BACK
    if Phase.ROLLED_BACK in ends and exit_code is not ExitCode.NOT_ROLLED_BACK:
        return ExitCode.ROLLED_BACK
    return exit_code


def _put_back_unsettled(work: _Work, hosts: list[str], why: str) -> None:
    """Ask these hosts once more, and put back those that were changed."""
    work.run.journal.write("rollback", hosts=hosts, why=why)
    for host in hosts:
        work.begin(_guarded_undo, host, why)
    left = set(hosts)
    while left:
        result = work.results.get()
        if result is None:
            _interrupted(work)
            continue
        host, ended = result
        left.remove(host)
        work.final[host] = ended.phase
        if ended.phase is Phase.NOT_ROLLED_BACK:
            ended = Ended(ended.phase, f"{work.details[host]}; not put back: {ended.detail}")
        _tell_end(work, host, ended)


def begin(plans: Mapping[str, HostPlan], strategy: RolloutStrategy) -> Rollout:
    """One goal's rollout before anything is done: who cannot, or is unknown, is out of it already."""
    out = _refused(plans)
    return Rollout.begin(
        tuple(plans),
        strategy,
        cannot=[host for host in out if plans[host].action is not Action.UNKNOWN],
        unreachable=[host for host in out if plans[host].action is Action.UNKNOWN],
    )


def _refused(plans: Mapping[str, HostPlan]) -> dict[str, str]:
    """The hosts that are out before anything starts, and why."""
    words = {
        host: f"{plan.problem or plan.reason} ({plan.remedy})" if plan.remedy else plan.problem or plan.reason
        for host, plan in plans.items()
    }
    return {
        host: words[host] for host, plan in plans.items() if plan.problem or plan.action is Action.UNKNOWN
    }


def _record(work: _Work, rollout: Rollout, result: tuple[str, Ended] | None) -> Rollout:
    """Take note of how one host's work ended; None = of the wish to stop."""
    if result is None:
        _interrupted(work)
        return rollout.interrupt()
    host, ended = result
    _tell_end(work, host, ended)
    if ended.phase is Phase.WAITING:  # what it is as if its step had not come; to the rollout it was given up
        work.final[host] = Phase.WAITING
        return rollout.record(host, Phase.REVERTED)
    return rollout.record(host, ended.phase)


def _interrupted(work: _Work) -> None:
    work.run.journal.write("interrupt")
    work.run.report(
        HostEvent("", "interrupted", "this step goes on to its end; interrupt again to leave at once")
    )


def _tell_end(work: _Work, host: str, ended: Ended) -> None:
    work.details[host] = ended.detail
    work.run.journal.write("host", host=host, phase=ended.phase, detail=ended.detail)
    work.run.report(HostEvent(host, str(ended.phase), ended.detail))


def _why(work: _Work, rollout: Rollout) -> str:
    """The reason of a rollback: the first host that failed, else that counts as such, and what it said."""
    host = (rollout.within(Phase.FAILED) or rollout.within(Phase.CANNOT, Phase.UNREACHABLE))[0]
    return f"{host}: {work.details[host]}"


def _guarded(work: _Work, host: str, bake_s: float) -> None:
    """The per-host boundary: whatever goes wrong becomes this host's outcome."""
    ended = Ended(Phase.FAILED, "the controller stopped in the middle")
    try:
        work.check_open(begun=False)
        with work.run.sessions.use(host) as session:
            if work.change:
                ended = work.change(work.run, session, work.plans[host])
            else:
                ended = _change(work, session, bake_s)
    except _ClosedError as closed:
        ended = closed.ended
    except UnsettledError as error:
        work.unsettled.add(host)
        ended = Ended(Phase.UNREACHABLE, _one_line(error))
    except (LeaseHeldError, HelperError) as error:
        ended = Ended(Phase.FAILED, _one_line(error))
    except (HostError, TimeoutError) as error:
        ended = Ended(Phase.UNREACHABLE, _one_line(error))
    except Exception as error:  # a defect of ours: named as such on its host, and the rollout goes on safely
        ended = Ended(Phase.FAILED, f"internal error: {error!r}")
    finally:
        work.tell(host, ended)


def _guarded_undo(work: _Work, host: str, why: str) -> None:
    """As `_guarded`, for putting a host back."""
    ended = Ended(Phase.NOT_ROLLED_BACK, "the controller stopped in the middle")
    try:
        with work.run.sessions.use(host) as session:
            ended = _undo(work, session, why)
    except (HostError, LeaseHeldError, TimeoutError) as error:
        ended = Ended(Phase.NOT_ROLLED_BACK, _one_line(error))
    except Exception as error:  # as above
        ended = Ended(Phase.NOT_ROLLED_BACK, f"internal error: {error!r}")
    finally:
        work.tell(host, ended)


def _one_line(error: Exception) -> str:
    message = getattr(error, "message", "") or str(error) or type(error).__name__
    remedy = getattr(error, "remedy", "")
    return f"{message} ({remedy})" if remedy else message


def _change(work: _Work, session: HostSession, bake_s: float) -> Ended:
    """Do what the plan says on one host."""
    host = session.host.name
    plan = work.plans[host]
    wants_signed, others = plan.signed, False
    if plan.install_helper:
        work.run.report(HostEvent(host, "installing", "the helper and its service"))
        others = not session.install()
        observed = session.look()
        if observed.facts and observed.facts.problems:
            first = observed.facts.problems[0]
            return Ended(Phase.FAILED, f"refused: {first.message} ({first.remedy})")
        wants_signed = observed.facts is not None and observed.facts.signatures
    deadline_s = work.strategy.trial_deadline_s
    token = work.run.lease(host, deadline_s)
    # Without a helper there was no lease to be had: whoever brought one has had the host since the plan.
    record = session.helper().status().last_known_good if others else None
    if record and record.assignment != plan.desired.assignment:
        why = f"another run has come before this one: last known good none -> {record.assignment}"
        return Ended(Phase.FAILED, f"refused: {why} (plan again)")
    if plan.action is Action.REMOVE:
        work.check_open(begun=True)
        _stop(session, plan.reason, token, f"it runs {plan.after}")
        return Ended(Phase.CONFIRMED, f"runs {plan.after}")
    assignment = plan.desired.assignment
    assert assignment is not None, "only `remove` has no assignment"
    wish = Wish(plan.desired.group or "", assignment, work.run.revision, plan.desired.program)
    order = TrialOrder(
        assignment=assignment,
        object=None if plan.desired.program else work.run.objects[assignment.digest],
        checks=work.strategy.health,
        deadline_s=deadline_s,
        bake_s=bake_s,
        run=work.run.id,
        revision=work.run.revision,
        signed=work.run.signatures.signed(wish) if wants_signed else None,
        program=plan.desired.program,
    )

    def lease() -> int:
        token = work.run.lease(host, deadline_s)
        work.check_open(begun=True)
        return token

    return try_and_confirm(
        session.helper(), session.reconnect, lease, order, work.abort, _reporter(work, host)
    )


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


def _undo(work: _Work, session: HostSession, why: str) -> Ended:
    """Put one confirmed host back to what it ran before this run, as a trial of its own."""
    host = session.host.name
    plan = work.plans[host]
    try:
        token = work.run.lease(host, work.strategy.trial_deadline_s)
    except (HostError, TimeoutError):
        session.reconnect()
        token = work.run.lease(host, work.strategy.trial_deadline_s)
    if plan.action is Action.HEAL:
        return Ended(Phase.ROLLED_BACK, f"healed, still on {plan.after}")
    if host in work.unsettled and (ended := _as_before(work.run, session, plan, token)):
        return ended
    return put_back(work.run, session, plan, token, f"rolled back: {why}", work.strategy.trial_deadline_s)


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
    report = _reporter_of(run, plan.host)
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


def _reporter(work: _Work, host: str) -> Callable[[str, str], None]:
    return _reporter_of(work.run, host)


def _reporter_of(run: Run, host: str) -> Callable[[str, str], None]:
    def report(word: str, detail: str) -> None:
        run.report(HostEvent(host, word, detail))

    return report
