# SPDX-License-Identifier: Apache-2.0
"""`fleetsched observe`: how long tasks wait for a CPU."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetsched.cli.options import FleetOptions, Json, with_fleet_options
from fleetsched.cli.running import print_records
from fleetsched.errors import ExitCode

app = typer.Typer()


@app.command()
@with_fleet_options
def observe(
    fleet: FleetOptions,
    seconds: Annotated[
        float, typer.Option("--seconds", help="For how long.", min=0.1, max=60, metavar="N")
    ] = 5.0,
    top: Annotated[int, typer.Option("--top", help="Commands to name on each host.", min=0, max=64)] = 10,
    as_json: Json = False,
) -> None:
    """Show how long tasks wait for a CPU, by cgroup and command."""
    from fleetsched.operations.observation import observe as operation
    from fleetsched.views.observation import observation_text
    from fleetsched.views.records import observation_records

    found = operation(fleet.open(), fleet.selection, seconds=seconds, top=top)
    rows = [
        (host, seen.observation, f"{seen.error} ({seen.remedy})" if seen.remedy else seen.error)
        for host, seen in found.items()
    ]
    if as_json:
        print_records(observation_records(rows))
    else:
        typer.echo(observation_text(rows))
    if any(seen.unreachable for seen in found.values()):
        raise typer.Exit(ExitCode.UNREACHABLE)
    if any(seen.error for seen in found.values()):
        raise typer.Exit(ExitCode.ERROR)
