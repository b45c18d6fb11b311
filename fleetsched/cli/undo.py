# SPDX-License-Identifier: Apache-2.0
"""Commands that take something back: rollback, retry, release."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetsched.cli.complete import complete_hosts
from fleetsched.cli.options import FleetOptions, ReachOptions, Yes, with_fleet_options
from fleetsched.cli.running import ask, journals, with_progress
from fleetsched.cli.say import say

app = typer.Typer()


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
        say(undo_text(undo))
        ask(yes, "Roll these hosts back?")
        applied = with_progress(
            lambda report: operation.rollback(access, planned, undo, journals=journals(), report=report)
        )
    say(run_text(applied))
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
        say(f"{host}: {assignment} may be tried again")
    if not released:
        say("nothing is held")


@app.command()
@with_fleet_options
def release(
    fleet: ReachOptions,
    host: Annotated[
        str,
        typer.Argument(help="A host of the inventory, or [user@]name[:port].", autocompletion=complete_hosts),
    ],
    yes: Yes = False,
) -> None:
    """Let a host go: back to the kernel's own scheduler, nothing recorded, managed no longer."""
    from fleetsched.operations import release as operation
    from fleetsched.views.run import run_text

    access = fleet.open()
    with operation.plan_release(access, host) as planned:
        if not planned.host.changes:
            say(f"{planned.host.host} is not managed: nothing was changed")
            return
        say(f"{planned.host.host}: {planned.host.before} -> {planned.host.after}")
        ask(yes, "Let this host go?")
        applied = with_progress(
            lambda report: operation.release(access, planned, journals=journals(), report=report)
        )
    say(run_text(applied))
    raise typer.Exit(applied.exit_code)
