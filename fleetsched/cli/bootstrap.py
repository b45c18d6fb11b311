# SPDX-License-Identifier: Apache-2.0
"""`fleetsched bootstrap`: an administrator lets the fleet's key reach hosts' helpers and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetsched.cli.complete import complete_group, complete_hosts
from fleetsched.cli.options import ReachOptions, Yes, with_fleet_options
from fleetsched.cli.running import ask
from fleetsched.errors import ExitCode, FleetschedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

app = typer.Typer()


@app.command()
@with_fleet_options
def bootstrap(
    fleet: ReachOptions,
    hosts: Annotated[
        list[str],
        typer.Argument(
            metavar="HOST...",
            help="Ansible patterns, or [user@]name[:port] with the administrator's name.",
            autocompletion=complete_hosts,
        ),
    ],
    key: Annotated[
        Path | None, typer.Option("--key", help="The fleet's public key or keys, a .pub file.")
    ] = None,
    user: Annotated[str, typer.Option("--user", help="Name of the account on the hosts.")] = "fleetsched",
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers", help="Who signs what these hosts run; none = nothing need be signed."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="The HostGroup that assignments must be signed for; default: the one that claims the host.",
            autocompletion=complete_group,
        ),
    ] = None,
    private_key: Annotated[
        str | None, typer.Option("--private-key", help="The administrator's own key, for this connection.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take all of it away, policies first; the hosts are as before.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Say what would be done, and do nothing.")] = False,
    yes: Yes = False,
) -> None:
    """Let the fleet's key reach the helper of hosts and nothing else. Needs root there, or sudo."""
    from fleetsched.operations import bootstrap as operation
    from fleetsched.views.bootstrap import done_text, prospect_text

    if remove == (key is not None):
        raise UsageError("give the fleet's public key with --key, or say --remove")
    access = fleet.open()
    if key is None:
        wanted = operation.removals(access, hosts, private_key=private_key)
    else:
        wanted = operation.wishes(
            access, hosts, user=user, key=key, signers=allowed_signers, group=group, private_key=private_key
        )
    with operation.look(access, wanted) as (prospects, executor):
        for prospect in prospects:
            typer.echo(
                prospect_text(prospect.wish.host.name, prospect.changes, prospect.notes, prospect.error)
            )
        errors = [prospect.error for prospect in prospects]
        if not check:
            if any(prospect.changes or prospect.install for prospect in prospects):
                ask(yes, "Take it away from these hosts?" if remove else "Change these hosts?")
            done = operation.carry_out(access, prospects, executor)
            for each in done:
                if each.found or each.error not in errors:
                    typer.echo(done_text(each.host, each.found, each.left, each.error))
            errors = [each.error for each in done]
    raise typer.Exit(_exit_code(errors))


def _exit_code(errors: Iterable[FleetschedError | None]) -> ExitCode:
    return next((error.exit_code for error in errors if error), ExitCode.OK)
