# SPDX-License-Identifier: Apache-2.0
"""What every operation that changes hosts shares: a named run with a journal, and the leases of its hosts."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleetsched.errors import ExitCode, FleetschedError, HostError, InterruptedRunError
from fleetsched.model.run import HostResult
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.observe import Reach
from fleetsched.rollout.engine import Outcome
from fleetsched.rollout.journal import Journal
from fleetsched.rollout.leases import kept_leases
from fleetsched.rollout.run import HostEvent, Run, StopRequest
from fleetsched.rollout.session import Sessions

_SEVERITY = (
    ExitCode.NOT_ROLLED_BACK,
    ExitCode.ROLLED_BACK,
    ExitCode.INTERRUPTED,
    ExitCode.PAUSED,
    ExitCode.UNREACHABLE,
    ExitCode.OK,
)


def new_run_id() -> str:
    """Name a run: by when it begins, and so that no other has the same name."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def owner_of(run_id: str) -> str:
    """Who takes the leases of a run, for whoever is refused by them."""
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()}), run {run_id}"


def new_run(
    access: FleetAccess,
    reached: Reach,
    objects: Mapping[str, bytes],
    journals: Path,
    report: Callable[[HostEvent], None],
    stop: StopRequest | None = None,
) -> Run:
    """Name a run and open its journal, a file of its own in the folder `journals`."""
    run_id = new_run_id()
    return Run(
        id=run_id,
        owner=owner_of(run_id),
        revision=access.revision.label,
        sessions=Sessions(reached.sessions),
        objects=objects,
        executor=reached.executor,
        renewals=reached.renewals,
        journal=Journal(journals / f"{run_id}.jsonl", lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"),
        report=report,
        stop=stop or StopRequest(),
        signatures=access.signatures,
    )


@contextlib.contextmanager
def under_way(
    run: Run, event: str, leases: Iterable[tuple[str, float]] = (), **fields: Any
) -> Iterator[None]:
    """Take leases before anything is changed, keep them meanwhile, and give all back at the end.

    Args:
        run: the run; its journal is closed at the end.
        event: what the journal opens with.
        leases: hosts with the seconds after which their work reverts by itself.
        **fields: of that event, beside the run's name and owner.

    Raises:
        LeaseHeldError: another run holds a host; nothing was changed.
        InterruptedRunError: on KeyboardInterrupt; hosts on trial go back by themselves.
    """
    with run.journal:
        run.journal.write(event, run=run.id, owner=run.owner, **fields)
        try:
            with kept_leases(run):
                _take_leases(run, leases)
                yield
        except KeyboardInterrupt:
            # Workers still use their sessions: whoever leaves now closes them, and the leases run out.
            raise InterruptedRunError(
                f"run {run.id} was left in the middle",
                remedy="hosts on trial go back by themselves; `fleetsched plan` shows what runs where",
            ) from None
        except FleetschedError as error:
            run.give_back(run.sessions)
            run.journal.write("given-up", why=error.message)
            raise
        run.give_back(run.sessions)


def _take_leases(run: Run, leases: Iterable[tuple[str, float]]) -> None:
    def take(name: str, deadline_s: float) -> None:
        # A host that does not answer any more will say so when its own work begins; the budget decides then.
        with contextlib.suppress(HostError):
            run.lease(name, deadline_s)

    taken = [run.executor.submit(take, *lease) for lease in leases]
    wait(taken)  # all of them: a lease that came after the others were given back would stay
    for each in taken:
        each.result()


def results(goal: str | None, outcome: Outcome) -> list[HostResult]:
    """How each host of a rollout came out of it."""
    return [
        HostResult(host, goal, phase, outcome.details.get(host, "not touched"), host in outcome.tried)
        for host, phase in outcome.phases.items()
    ]


def worst(codes: Collection[ExitCode]) -> ExitCode:
    """What a run returns whose parts ended with these codes."""
    return next(code for code in _SEVERITY if code in codes)
