# SPDX-License-Identifier: Apache-2.0
"""Go on where a killed reconciler stopped: its journals say what it held, its hosts what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from fleetsched.errors import HostError, LeaseHeldError
from fleetsched.model.cut_off import CutOff, abandoned, blameless, cut_off, to_put_back
from fleetsched.model.run import Undo
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.observe import Reach
from fleetsched.operations.plan import Planned
from fleetsched.operations.rollback import rollback, undo_plan
from fleetsched.rollout.journal import Journal, read_journal
from fleetsched.rollout.run import HostEvent
from fleetsched.rollout.session import HostSession

_NEWEST = 50
_LEASE_S = 120.0
_ABANDONED = "was held only because whoever tried it was gone before it could be confirmed"


def cut_off_runs(journals: Path) -> Iterator[tuple[Path, CutOff]]:
    """The runs of a folder of journals that were begun and not ended, oldest first."""
    files = sorted(journals.glob("*.jsonl"))[-_NEWEST:]
    for file in files:
        cut = cut_off(read_journal(file))
        if cut is not None:
            yield file, cut


def take_over(reached: Reach, file: Path, cut: CutOff, report: Callable[[HostEvent], None]) -> bool:
    """End what a run has left on its hosts: trials revert, what is held without blame is let go, leases too.

    Returns:
        Whether all its hosts answered; if not, it is to be done again.
    """
    sessions = [reached.sessions[host] for host in cut.tokens if host in reached.sessions]
    done = list(reached.executor.map(lambda session: _clear(session, cut, report), sessions))
    return all(done)


def mark_taken_over(file: Path) -> None:
    """Note in a run's journal that nothing is left of it to be done."""
    with Journal(file, lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}") as journal:
        journal.write("taken-over")


def _clear(session: HostSession, cut: CutOff, report: Callable[[HostEvent], None]) -> bool:
    name = session.host.name
    try:
        helper = session.helper()
        status = helper.status()
        if status.lease is not None and status.lease.owner != cut.owner:
            return True  # somebody else has had the host since; nothing on it is that run's any more
        if status.lease is not None:
            session.token = cut.tokens[name]
            session.take_lease(cut.owner, _LEASE_S)  # by its name, in case this one is killed, too
        if status.trial is not None and status.trial.run == cut.run:
            report(
                HostEvent(name, "taking over", f"a trial of {status.trial.assignment} that nobody watched")
            )
            why = "the run was cut off before it could be confirmed"
            status = helper.revert(status.trial.id, why=why, token=session.token, hold=False)
        for held in blameless(cut.run, status, helper.history()):
            report(
                HostEvent(name, "taking over", f"{held.assignment} was held only because nobody watched it")
            )
            helper.release_held(held.assignment)
        session.drop_lease()
    except LeaseHeldError:
        return True
    except (HostError, TimeoutError):
        session.close()
        return False
    return True


def let_go_abandoned(
    planned: Planned, journals: Path, seen: Mapping[str, str], report: Callable[[HostEvent], None]
) -> bool:
    """Release what hosts hold only because another controller was killed in the middle of a trial.

    Such a trial looks like one of a policy that cuts its host off. It was not that when this controller
    reached the host during it; even so, this is done once for each assignment and host, and only for what
    the host is to run.

    Args:
        planned: its plan, from what hosts say now.
        journals: of this controller: what its own runs left unconfirmed is judged by their journals.
        seen: by host, the run whose trial it was last seen on.
        report: progress of hosts.

    Returns:
        Whether anything was released.
    """
    released = False
    for plan in planned.plan.hosts:
        run, status = seen.get(plan.host), planned.observed[plan.host].status
        if run is None or status is None or status.lease or status.trial or not status.held:
            continue
        if (journals / f"{run}.jsonl").exists():
            continue
        session = planned.reached.sessions[plan.host]
        try:
            for held in abandoned(run, status, session.helper().history()):
                if held.assignment == plan.desired.assignment:
                    report(HostEvent(plan.host, "taking over", f"{held.assignment}: {_ABANDONED}, run {run}"))
                    session.helper().release_held(held.assignment)
                    released = True
        except (HostError, TimeoutError):
            session.close()
    return released


def finish_rollback(
    access: FleetAccess,
    planned: Planned,
    cut: CutOff,
    *,
    journals: Path,
    report: Callable[[HostEvent], None],
) -> None:
    """Put the hosts back that the run would have put back, had it lived on.

    Raises:
        LeaseHeldError: somebody else works on one of them.
    """
    fleet = access.fleet
    strategies = {name: fleet.strategies[goal.rollout] for name, goal in fleet.goals.items()}
    names = to_put_back(cut, planned.observed, strategies)
    if not names:
        return
    plans = {plan.host: plan for plan in planned.plan.hosts}
    why = f"rolled back: run {cut.run} failed, and was cut off"
    hosts = tuple(undo_plan(plans[name], planned.observed[name].status, why) for name in names)
    rollback(access, planned, Undo(cut.run, hosts), journals=journals, report=report, why=why)
