# SPDX-License-Identifier: Apache-2.0
"""`fleetsched helper`: which helpers hosts run, bringing the first, and upgrading them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import typer

from fleetsched.cli.group import Group
from fleetsched.cli.options import FleetOptions, Yes, with_fleet_options
from fleetsched.cli.running import ask, journals, stop_on_signals, with_progress
from fleetsched.errors import ExitCode

if TYPE_CHECKING:
    from fleetsched.model.plan import HostPlan
    from fleetsched.model.run import Applied
    from fleetsched.operations.plan import Planned

app = typer.Typer(
    cls=Group, help="The helpers on hosts: the first, their versions, upgrades.", no_args_is_help=True
)


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
def install(fleet: FleetOptions, yes: Yes = False) -> None:
    """Bring the helper to hosts of groups that have none; they go on as they are, and can be observed."""
    from fleetsched.operations import helpers as operation
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.views.helper import install_text

    access = fleet.open()
    with make_plan(access, fleet.selection) as planned:
        hosts = operation.plan_install(planned)
        typer.echo(install_text(hosts))
        change = partial(operation.install_helpers, access, planned, hosts)
        _carry_out(planned, hosts, yes, "Install these helpers?", change)


@app.command()
@with_fleet_options
def upgrade(fleet: FleetOptions, yes: Yes = False) -> None:
    """Bring hosts to this fleetsched's helper, canary first; where it fails, the old one comes back."""
    from fleetsched.operations import helpers as operation
    from fleetsched.operations.plan import plan as make_plan
    from fleetsched.views.helper import upgrade_text

    access = fleet.open()
    with make_plan(access, fleet.selection) as planned:
        hosts = operation.plan_upgrade(planned, access)
        typer.echo(upgrade_text(hosts))
        change = partial(operation.upgrade, access, planned, hosts)
        _carry_out(planned, hosts, yes, "Upgrade these helpers?", change)


def _carry_out(
    planned: Planned, hosts: Sequence[HostPlan], yes: bool, question: str, change: Callable[..., Applied]
) -> NoReturn:
    from fleetsched.views.run import run_text

    if not any(host.known for host in hosts):
        raise typer.Exit(planned.plan.exit_code(detailed=False))
    ask(yes, question)
    with stop_on_signals() as stop:
        applied = with_progress(lambda report: change(journals=journals(), report=report, stop=stop))
    typer.echo(run_text(applied))
    raise typer.Exit(applied.exit_code)
