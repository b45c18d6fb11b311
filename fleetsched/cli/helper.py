# SPDX-License-Identifier: Apache-2.0
"""`fleetsched helper`: which helpers hosts run, and upgrading them."""

from __future__ import annotations

import typer

from fleetsched.cli.group import Group
from fleetsched.cli.options import FleetOptions, Yes, with_fleet_options
from fleetsched.cli.running import ask, journals, stop_on_signals, with_progress
from fleetsched.errors import ExitCode

app = typer.Typer(cls=Group, help="The helpers on hosts: their versions and upgrades.", no_args_is_help=True)


@app.command()
@with_fleet_options
def status(fleet: FleetOptions) -> None:
    """Show which helper each host runs, beside the one of this fleetsched."""
    from fleetsched.operations import helpers as operation
    from fleetsched.operations.status import status as look
    from fleetsched.views.helper import helpers_text

    access = fleet.open()
    found = operation.helpers(look(access, fleet.selection), access.helper_files)
    typer.echo(helpers_text(found))
    if any(host.error for host in found):
        raise typer.Exit(ExitCode.UNREACHABLE)


@app.command()
@with_fleet_options
def upgrade(fleet: FleetOptions, yes: Yes = False) -> None:
    """Bring hosts to this fleetsched's helper, canary first; where it fails, the old one comes back."""
    from fleetsched.operations import helpers as operation
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.views.helper import upgrade_text
    from fleetsched.views.run import run_text

    access = fleet.open()
    with make_plan(access, fleet.selection) as planned:
        hosts = operation.plan_upgrade(planned, access)
        typer.echo(upgrade_text(hosts))
        if not any(host.known for host in hosts):
            raise typer.Exit(planned.plan.exit_code(detailed=False))
        ask(yes, "Upgrade these helpers?")
        with stop_on_signals() as stop:
            applied = with_progress(
                lambda report: operation.upgrade(
                    access, planned, hosts, journals=journals(), report=report, stop=stop
                )
            )
    typer.echo(run_text(applied))
    raise typer.Exit(applied.exit_code)
