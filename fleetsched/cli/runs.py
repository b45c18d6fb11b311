# SPDX-License-Identifier: Apache-2.0
"""Commands about hosts: plan, apply, status, rollback, retry."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleetsched.cli.options import Config, Forks, Inventory, Json, Limit, Repository, Yes, open_access
from fleetsched.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from fleetsched.model.run import Applied
    from fleetsched.rollout.engine import StopRequest

app = typer.Typer()


@app.command()
def plan(
    repository: Repository = None,
    inventory: Inventory = None,
    limit: Limit = None,
    forks: Forks = None,
    config: Config = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Return 2 when something would change.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what apply would change, why, and on which hosts. Changes nothing."""
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.views.plan import plan_records, plan_text

    access = open_access(repository, inventory, config, forks)
    with make_plan(access, limit=limit) as planned:
        if as_json:
            _print_records(plan_records(planned.plan))
        else:
            typer.echo(plan_text(planned.plan, planned.fleet))
        raise typer.Exit(planned.plan.exit_code(detailed=detailed_exitcode))


@app.command()
def apply(
    repository: Repository = None,
    inventory: Inventory = None,
    limit: Limit = None,
    forks: Forks = None,
    config: Config = None,
    yes: Yes = False,
    unreviewed: Annotated[
        bool, typer.Option("--unreviewed", help="In a lab only: apply what nobody approved.")
    ] = False,
) -> None:
    """Bring hosts to what the approved revision wants: canary first, watched, confirmed or rolled back."""
    from fleetsched.operations import apply as operation
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.views.plan import plan_text
    from fleetsched.views.run import run_text

    access = open_access(repository, inventory, config, forks, fetch=True)
    with make_plan(access, limit=limit) as planned:
        typer.echo(plan_text(planned.plan, planned.fleet))
        if not planned.plan.has_changes:
            raise typer.Exit(planned.plan.exit_code(detailed=False))
        operation.check_allowed(access, planned, unreviewed=unreviewed)
        _ask(yes, "Apply this plan?")
        with stop_on_signals() as stop:
            applied = _with_progress(
                lambda report: operation.apply(
                    access, planned, journals=_journals(), report=report, stop=stop
                )
            )
    typer.echo(run_text(applied))
    raise typer.Exit(applied.exit_code)


@app.command()
def status(
    repository: Repository = None,
    inventory: Inventory = None,
    limit: Limit = None,
    forks: Forks = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show what every host runs now, from its own kernel."""
    from fleetsched.operations.status import status as ask
    from fleetsched.views.status import status_records, status_text

    observed = ask(open_access(repository, inventory, config, forks), limit=limit)
    if as_json:
        _print_records(status_records(observed))
    else:
        typer.echo(status_text(observed))
    if any(seen.error for seen in observed.values()):
        raise typer.Exit(ExitCode.UNREACHABLE)


@app.command()
def rollback(
    run: Annotated[str | None, typer.Argument(help="The run to undo; default: the newest.")] = None,
    repository: Repository = None,
    inventory: Inventory = None,
    limit: Limit = None,
    forks: Forks = None,
    config: Config = None,
    yes: Yes = False,
) -> None:
    """Put the hosts of a run back to what they ran before; what they run now becomes held."""
    from fleetsched.operations import rollback as operation
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.views.run import run_text, undo_text

    access = open_access(repository, inventory, config, forks)
    with make_plan(access, limit=limit) as planned:
        undo = operation.plan_rollback(planned, run)
        typer.echo(undo_text(undo))
        _ask(yes, "Roll these hosts back?")
        applied = _with_progress(
            lambda report: operation.rollback(access, planned, undo, journals=_journals(), report=report)
        )
    typer.echo(run_text(applied))
    raise typer.Exit(applied.exit_code)


@app.command()
def retry(
    repository: Repository = None,
    inventory: Inventory = None,
    limit: Limit = None,
    forks: Forks = None,
    config: Config = None,
) -> None:
    """Let held assignments be tried again; the next apply does."""
    from fleetsched.operations import rollback as operation
    from fleetsched.operations.plan import plan as make_plan

    with make_plan(open_access(repository, inventory, config, forks), limit=limit) as planned:
        released = operation.retry(planned)
    for host, assignment in released:
        typer.echo(f"{host}: {assignment} may be tried again")
    if not released:
        typer.echo("nothing is held")


def _ask(yes: bool, question: str) -> None:
    """Ask before hosts are changed; only `yes` goes on."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", remedy="add --yes")
    if input(f"{question} Only `yes` is accepted: ").strip() != "yes":
        typer.echo("nothing was changed")
        raise typer.Exit(ExitCode.ERROR)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """The first Ctrl-C or SIGTERM asks the run to stop at a safe point; the second leaves at once."""
    from fleetsched.rollout.engine import StopRequest

    stop = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.request()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with_progress(work: Any) -> Applied:
    from rich.console import Console

    from fleetsched.cli.progress import Progress

    progress = Progress(Console())
    with progress.running():
        applied: Applied = work(progress.report)
    return applied


def _journals() -> Path:
    import platformdirs

    return platformdirs.user_state_path("fleetsched") / "runs"


def _print_records(records: Iterable[dict[str, Any]]) -> None:
    for record in records:
        typer.echo(json.dumps(record))
