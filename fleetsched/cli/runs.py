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

from fleetsched.cli.complete import complete_hosts
from fleetsched.cli.options import (
    Config,
    FleetOptions,
    Inventory,
    Json,
    Repository,
    Yes,
    open_access,
    with_fleet_options,
)
from fleetsched.errors import ExitCode, HostError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from fleetsched.model.plan import Plan
    from fleetsched.model.run import Applied
    from fleetsched.operations.fleet import FleetAccess
    from fleetsched.operations.snapshot import Snapshot
    from fleetsched.rollout.engine import StopRequest

app = typer.Typer()


@app.command()
@with_fleet_options
def plan(
    fleet: FleetOptions,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Return 2 when something would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", "-D", help="Also how policies differ from what hosts have recorded.")
    ] = False,
    state: Annotated[
        Path | None, typer.Option("--state", help="Plan from this file of `status --snapshot`; ask no host.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what apply would change, why, and on which hosts. Changes nothing."""
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.operations.plan import select
    from fleetsched.operations.snapshot import plan_snapshot, read_snapshot

    access = fleet.open()
    if state is not None:
        snapshot = read_snapshot(state)
        made = plan_snapshot(access.fleet, access.revision, snapshot, select(access.fleet, fleet.selection))
        _show_plan(access, made, diff=diff, as_json=as_json, state=(state, snapshot))
    else:
        with make_plan(access, fleet.selection) as planned:
            made = planned.plan
            _show_plan(access, made, diff=diff, as_json=as_json)
    raise typer.Exit(made.exit_code(detailed=detailed_exitcode))


def _show_plan(
    access: FleetAccess, made: Plan, *, diff: bool, as_json: bool, state: tuple[Path, Snapshot] | None = None
) -> None:
    from datetime import UTC, datetime

    from fleetsched.operations.diff import policy_diffs
    from fleetsched.views.plan import age_text, diff_records, diff_text, plan_records, plan_text

    # Without a commit there is no repository, or one in which Git must not be asked for more.
    diffs = policy_diffs(access.root, access.fleet, made) if diff and access.revision.commit else []
    if as_json:
        _print_records([*plan_records(made), *diff_records(diffs)])
        return
    if state is not None:
        typer.echo(age_text(str(state[0]), state[1].age_s(datetime.now(UTC))))
    typer.echo(plan_text(made, access.fleet))
    if diff:
        typer.echo(f"\n{diff_text(diffs)}")


@app.command()
@with_fleet_options
def apply(
    fleet: FleetOptions,
    yes: Yes = False,
    check: Annotated[
        bool, typer.Option("--check", help="Approval, objects and plan as for real; change no host.")
    ] = False,
    unreviewed: Annotated[
        bool, typer.Option("--unreviewed", help="In a lab only: apply what nobody approved.")
    ] = False,
) -> None:
    """Bring hosts to what the approved revision wants: canary first, watched, confirmed or rolled back."""
    from fleetsched.operations import apply as operation
    from fleetsched.operations.objects import build_objects
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.operations.plan import select
    from fleetsched.views.plan import plan_text
    from fleetsched.views.run import run_text

    access = fleet.open(fetch=True, approved=not unreviewed)
    operation.check_lab(access, select(access.fleet, fleet.selection))
    with make_plan(access, fleet.selection) as planned:
        typer.echo(plan_text(planned.plan, planned.fleet))
        if check:
            objects = build_objects(access.fleet, planned.plan)
            typer.echo(f"check: {len(objects)} objects are as locked; no host was changed")
        if check or not planned.plan.has_changes:
            raise typer.Exit(planned.plan.exit_code(detailed=False))
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
@with_fleet_options
def status(
    fleet: FleetOptions,
    snapshot: Annotated[
        Path | None, typer.Option("--snapshot", help="Also write it to this file, without addresses.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what every host runs now, from its own kernel."""
    from fleetsched.operations.snapshot import write_snapshot
    from fleetsched.operations.status import status as ask
    from fleetsched.views.status import status_records, status_text

    observed = ask(fleet.open(), fleet.selection)
    if snapshot is not None:
        write_snapshot(snapshot, observed)
    if as_json:
        _print_records(status_records(observed))
    else:
        typer.echo(status_text(observed))
    if any(seen.error for seen in observed.values()):
        raise typer.Exit(ExitCode.UNREACHABLE)


@app.command()
@with_fleet_options
def rollback(
    fleet: FleetOptions,
    run: Annotated[str | None, typer.Argument(help="The run to undo; default: the newest.")] = None,
    yes: Yes = False,
) -> None:
    """Put the hosts of a run back to what they ran before; what they run now becomes held."""
    from fleetsched.operations import rollback as operation
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.views.run import run_text, undo_text

    access = fleet.open()
    with make_plan(access, fleet.selection) as planned:
        undo = operation.plan_rollback(planned, run)
        typer.echo(undo_text(undo))
        _ask(yes, "Roll these hosts back?")
        applied = _with_progress(
            lambda report: operation.rollback(access, planned, undo, journals=_journals(), report=report)
        )
    typer.echo(run_text(applied))
    raise typer.Exit(applied.exit_code)


@app.command()
@with_fleet_options
def retry(fleet: FleetOptions) -> None:
    """Let held assignments be tried again; the next apply does."""
    from fleetsched.operations import rollback as operation
    from fleetsched.operations.plan import plan as make_plan

    with make_plan(fleet.open(), fleet.selection) as planned:
        released = operation.retry(planned)
    for host, assignment in released:
        typer.echo(f"{host}: {assignment} may be tried again")
    if not released:
        typer.echo("nothing is held")


@app.command()
def release(
    host: Annotated[
        str,
        typer.Argument(help="A host of the inventory, or [user@]name[:port].", autocompletion=complete_hosts),
    ],
    repository: Repository = None,
    inventory: Inventory = None,
    config: Config = None,
    yes: Yes = False,
) -> None:
    """Let a host go: back to the kernel's own scheduler, nothing recorded, managed no longer."""
    from fleetsched.operations import release as operation
    from fleetsched.views.run import run_text

    access = open_access(repository, inventory, config, None)
    with operation.plan_release(access, host) as planned:
        typer.echo(f"{planned.host.host}: {planned.host.before} -> the kernel's scheduler")
        if planned.host.problem:
            raise HostError(planned.host.problem, remedy=planned.host.remedy)
        if not planned.host.changes:
            typer.echo("it is not managed; nothing was changed")
            return
        _ask(yes, "Let this host go?")
        applied = _with_progress(
            lambda report: operation.release(access, planned, journals=_journals(), report=report)
        )
    typer.echo(run_text(applied))
    raise typer.Exit(applied.exit_code)


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
    from fleetsched.cli.progress import Progress, RunConsole

    progress = Progress(RunConsole())
    with progress.running():
        applied: Applied = work(progress.report)
    return applied


def _journals() -> Path:
    import platformdirs

    return platformdirs.user_state_path("fleetsched") / "runs"


def _print_records(records: Iterable[dict[str, Any]]) -> None:
    for record in records:
        typer.echo(json.dumps(record))
