# SPDX-License-Identifier: Apache-2.0
"""Put the reconciler together from the controller's own file, and run it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fleetsched.errors import ExitCode, FleetschedError, UsageError
from fleetsched.fleetrepo.clone import remember_newest
from fleetsched.fleetrepo.controller import load_controller
from fleetsched.fleetrepo.secret import resolve_secret
from fleetsched.model.controller import Controller, Trust
from fleetsched.operations.fleet import access_at
from fleetsched.reconcile.board import Board, dossiers_of
from fleetsched.reconcile.log import Log
from fleetsched.reconcile.loop import Loop
from fleetsched.reconcile.memory import Memory, StateFolder
from fleetsched.reconcile.notify import Notifier, places
from fleetsched.rollout.run import StopRequest

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Start:
    """What the command line says.

    Attributes:
        repository: URL or path; None = the controller's file names it as trust.remote.
        state: the state folder.
        inventory: instead of the repository's.
        accept_rewound: the commit to which people have taken the trusted branch back; empty = none.
    """

    repository: str | None
    state: Path
    config: Path | None = None
    inventory: Sequence[Path] | None = None
    forks: int | None = None
    accept_rewound: str = ""


def serve(start: Start, stop: StopRequest, say: Callable[[str], None], *, once: bool) -> ExitCode:
    """Run until somebody asks to stop, or one cycle.

    Raises:
        UsageError: no repository is named, or a commit is accepted that is none, or for ever.
        FleetschedError: another reconciler uses the state folder.
    """
    from filelock import FileLock, Timeout

    _judge_acceptance(start.accept_rewound, once=once)
    controller = load_controller(start.config)
    state = StateFolder(start.state.absolute())
    state.path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(state.path / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise FleetschedError(
            f"another reconciler uses {state.path}", remedy="end it, or name another --state-folder"
        ) from error
    with lock:
        if start.accept_rewound:
            remember_newest(state.repository, controller.trust.branch, start.accept_rewound)
        memory = Memory(state.path)
        loop = Loop(
            state,
            trust_of(controller.trust, start.repository),
            lambda revision: access_at(state.repository, revision, controller, start.inventory, start.forks),
            controller.reconcile.interval_s,
            [Log(say), Notifier(places(controller.reconcile.notify), say)],
            memory,
            controller.forge,
            stop,
            jitter=controller.reconcile.jitter,
        )
        if once:
            return loop.once().code
        return _serve(loop, controller, say)


def _judge_acceptance(commit: str, *, once: bool) -> None:
    """It is one decision about one commit: what is accepted at every start could be brought back any time."""
    if commit and not _COMMIT.fullmatch(commit):
        raise UsageError(
            "--accept-rewound wants all hex digits of a commit", remedy="take them from the message `rewound`"
        )
    if commit and not once:
        raise UsageError("--accept-rewound is of one cycle", remedy="run it by hand with --once")


def _serve(loop: Loop, controller: Controller, say: Callable[[str], None]) -> ExitCode:
    try:
        from fleetsched.reconcile.metrics import Metrics
        from fleetsched.reconcile.server import Server, Site
    except ImportError as error:
        raise FleetschedError(
            f"the status page needs {error.name}, which is not installed",
            remedy="pip install 'fleetsched[reconcile]', or `--once` without a status page",
        ) from error
    settings = controller.reconcile
    secret = resolve_secret(settings.webhook_secret) if settings.webhook_secret else ""
    board = Board(settings.interval_s, loop.memory.events, lambda: dossiers_of(loop.state.repository))
    metrics = Metrics()
    loop.watchers = [*loop.watchers, board, metrics]
    site = Site(board, metrics, lambda: loop.wake.put(None), secret)
    with Server(site, settings.listen) as server:
        say(f"status page and metrics on port {server.port}; webhook {'on' if secret else 'off'}")
        loop.run()
    return ExitCode.OK


def trust_of(trust: Trust, repository: str | None) -> Trust:
    """Where the trusted branch is fetched from, as an address: its clone has no remotes of its own.

    Raises:
        UsageError: neither the controller's file nor the command line says so.
    """
    if trust.remote_is_url:
        return trust
    if repository is None:
        raise UsageError(
            "which fleet repository? trust.remote of the controller's file is a name, not an address",
            remedy="give --repository URL, or write the URL there",
        )
    is_url = ":" in repository.partition("/")[0]
    return replace(trust, remote=repository if is_url else str(Path(repository).absolute()))
