# SPDX-License-Identifier: Apache-2.0
"""The commands that everything is about: plan, apply, status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetsched.cli.options import FleetOptions, Json, Signatures, Yes, with_fleet_options, with_signatures
from fleetsched.cli.running import ask, journals, print_records, stop_on_signals, with_progress
from fleetsched.cli.say import say
from fleetsched.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from fleetsched.model.plan import Plan
    from fleetsched.operations.fleet import FleetAccess
    from fleetsched.operations.plan import Planned
    from fleetsched.operations.snapshot import Snapshot

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
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Save the plan, for `fleetsched apply FILE`.")
    ] = None,
    signatures: Signatures = None,
    as_json: Json = False,
) -> None:
    """Show what apply would change, why, and on which hosts. Changes nothing."""
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.operations.plan import select
    from fleetsched.operations.saved import save_plan
    from fleetsched.operations.snapshot import plan_snapshot, read_snapshot

    if state is not None and out is not None:
        raise UsageError("--state and --out exclude each other: a saved plan is of what hosts say now")
    access = with_signatures(fleet.open(), signatures)
    if state is not None:
        snapshot = read_snapshot(state)
        made = plan_snapshot(access.fleet, access.revision, snapshot, select(access.fleet, fleet.selection))
        _show_plan(access, made, diff=diff, as_json=as_json, state=(state, snapshot))
    else:
        with make_plan(access, fleet.selection) as planned:
            made = planned.plan
            if out is not None:
                save_plan(out, made, planned.observed, access.fleet.inventory)
            _show_plan(access, made, diff=diff, as_json=as_json)
    if out is not None and not as_json:
        say(f"\nSaved: `fleetsched apply {out}` carries out this plan while it holds.")
    raise typer.Exit(made.exit_code(detailed=detailed_exitcode))


def _show_plan(
    access: FleetAccess, made: Plan, *, diff: bool, as_json: bool, state: tuple[Path, Snapshot] | None = None
) -> None:
    from datetime import UTC, datetime

    from fleetsched.operations.diff import policy_diffs
    from fleetsched.views.plan import age_text, diff_text, plan_text
    from fleetsched.views.records import plan_records, state_record

    # Without a commit there is no repository, or one in which Git must not be asked for more.
    diffs = policy_diffs(access.root, access.fleet, made) if diff and access.revision.commit else []
    file, snapshot = state or (None, None)
    age_s = snapshot.age_s(datetime.now(UTC)) if snapshot else 0.0
    if as_json:
        taken = state_record(snapshot.taken_at, age_s) if snapshot else None
        print_records(plan_records(made, diffs, taken))
        return
    if file is not None:
        say(age_text(str(file), age_s))
    say(plan_text(made, access.fleet))
    if diff:
        say(f"\n{diff_text(diffs)}")


@app.command()
@with_fleet_options
def apply(
    fleet: FleetOptions,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A plan of `plan --out`: not asked again; refused when anything has moved on since."
        ),
    ] = None,
    yes: Yes = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Judge the approval, build and inspect objects, say what would start; change no host. "
            "Returns what a run would: 8 refused; 3, 4 or 6 where hosts or goals keep it from starting; "
            "or 0.",
        ),
    ] = False,
    unreviewed: Annotated[
        bool, typer.Option("--unreviewed", help="In a lab only: apply what nobody approved.")
    ] = False,
    signatures: Signatures = None,
    as_json: Json = False,
) -> None:
    """Bring hosts to what the approved revision wants: canary first, watched, confirmed or rolled back."""
    from fleetsched.operations import apply as operation
    from fleetsched.operations.plan import EVERY_HOST, plan_these, select
    from fleetsched.operations.saved import planned_hosts, read_plan, refuse_moved
    from fleetsched.views.plan import plan_text
    from fleetsched.views.records import nothing_records, opening_records

    if file is not None and fleet.selection != EVERY_HOST:
        raise UsageError("a saved plan names its hosts: it takes no --limit, --exclude or --group")
    if as_json and not (yes or check or file):
        raise UsageError("--json asks nothing", remedy="add --yes")
    saved = read_plan(file) if file else None
    access = with_signatures(fleet.open(fetch=True, approved=not unreviewed), signatures)
    hosts = planned_hosts(saved, access) if saved else select(access.fleet, fleet.selection)
    operation.check_lab(access, hosts)
    with plan_these(access, hosts) as planned:
        if saved:
            refuse_moved(saved, planned.plan, planned.observed)
        if as_json:
            print_records(opening_records(planned.plan))
        else:
            say(plan_text(planned.plan, planned.fleet))
        if check:
            raise typer.Exit(_check(access, planned, as_json=as_json))
        if not planned.plan.has_changes:
            code = planned.plan.exit_code(detailed=False)
            print_records(nothing_records(code) if as_json else ())
            raise typer.Exit(code)
        ask(yes or saved is not None, "Apply this plan?")
        raise typer.Exit(_carry_out(access, planned, as_json=as_json))


def _check(access: FleetAccess, planned: Planned, *, as_json: bool) -> ExitCode:
    """Everything of a run that changes nothing."""
    from fleetsched.operations.apply import look_ahead
    from fleetsched.operations.objects import build_objects
    from fleetsched.views.records import outlook_records
    from fleetsched.views.run import outlook_text

    objects = build_objects(access.fleet, planned.plan)
    outlooks, code = look_ahead(planned.plan, access.fleet)
    if as_json:
        print_records(outlook_records(outlooks, code))
    else:
        say(f"\n{outlook_text(outlooks)}")
        say(f"Objects built, inspected and found as locked: {len(objects)}.")
    return code


def _carry_out(access: FleetAccess, planned: Planned, *, as_json: bool) -> ExitCode:
    from fleetsched.operations.apply import apply as carry_out
    from fleetsched.views.records import run_records
    from fleetsched.views.run import run_text

    with stop_on_signals() as stop:
        applied = with_progress(
            lambda report: carry_out(access, planned, journals=journals(), report=report, stop=stop),
            as_json=as_json,
        )
    if as_json:
        print_records(run_records(applied))
    else:
        say(run_text(applied))
    return applied.exit_code


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
    from fleetsched.operations.status import status as look
    from fleetsched.views.records import status_records
    from fleetsched.views.status import status_text

    observed = look(fleet.open(), fleet.selection)
    if snapshot is not None:
        write_snapshot(snapshot, observed)
    if as_json:
        print_records(status_records(observed))
    else:
        say(status_text(observed))
    if any(seen.error for seen in observed.values()):
        raise typer.Exit(ExitCode.UNREACHABLE)
