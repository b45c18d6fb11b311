# SPDX-License-Identifier: Apache-2.0
"""The engine: asks the state machine what to do, does it on hosts in threads, tells it what happened."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from fleetsched.errors import (
    ExitCode,
    HelperError,
    HostError,
    LeaseHeldError,
    UnsettledError,
)
from fleetsched.model.plan import Action, HostPlan
from fleetsched.model.rollout import Done, Phase, RollBack, Rollout, Start, Wait, decide
from fleetsched.model.strategy import RolloutStrategy
from fleetsched.rollout.bake import Ended
from fleetsched.rollout.change import change_host, undo
from fleetsched.rollout.run import HostEvent, Run
from fleetsched.rollout.session import HostSession

_OVER_BUDGET = "more hosts failed, or did not answer, than the failure budget allows"

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
                ended = change_host(
                    work.run,
                    session,
                    work.plans[host],
                    work.strategy,
                    bake_s,
                    partial(work.check_open, begun=True),
                    work.abort,
                )
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
            settled = host not in work.unsettled
            ended = undo(work.run, session, work.plans[host], work.strategy, why, settled=settled)
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
