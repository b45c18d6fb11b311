# SPDX-License-Identifier: Apache-2.0
"""`fleetsched observe`: how long tasks wait for a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetsched.cli.options import FleetOptions, Json, with_fleet_options
from fleetsched.cli.running import print_records
from fleetsched.cli.say import complain
from fleetsched.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from fleetsched.model.profile import Profile

app = typer.Typer()


@app.command()
@with_fleet_options
def observe(
    fleet: FleetOptions,
    seconds: Annotated[
        float, typer.Option("--seconds", help="For how long.", min=0.1, max=60, metavar="N")
    ] = 5.0,
    top: Annotated[int, typer.Option("--top", help="Commands to name on each host.", min=0, max=64)] = 10,
    profile: Annotated[
        Path | None, typer.Option("--profile", help="Also write a workload profile to this file.")
    ] = None,
    given: Annotated[
        Path | None, typer.Option("--from", help="Ask no host: show this file of `--profile`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how long tasks wait for a CPU, by cgroup and command."""
    from fleetsched.operations.observation import observe as operation
    from fleetsched.operations.observation import observe_profile, shown_profile
    from fleetsched.operations.profile import read_profile, write_profile
    from fleetsched.views.observation import features_text, observation_text
    from fleetsched.views.records import observation_records

    if profile is not None and given is not None:
        raise UsageError("--profile and --from exclude each other")
    taken: Profile | None = None
    if given is not None:
        taken = read_profile(given)
        found = shown_profile(taken)
    elif profile is not None:
        taken, found = observe_profile(fleet.open(), fleet.selection, seconds=seconds)
        write_profile(profile, taken)
    else:
        found = operation(fleet.open(), fleet.selection, seconds=seconds, top=top)
    rows = [
        (host, seen.observation, f"{seen.error} ({seen.remedy})" if seen.remedy else seen.error)
        for host, seen in found.items()
    ]
    if as_json:
        print_records(observation_records(rows))
    else:
        typer.echo(observation_text(rows))
        if taken is not None:
            typer.echo(f"\n{features_text(taken)}")
    if profile is not None:
        complain(f"wrote {profile}")
    if any(seen.unreachable for seen in found.values()):
        raise typer.Exit(ExitCode.UNREACHABLE)
    if any(seen.error for seen in found.values()):
        raise typer.Exit(ExitCode.ERROR)
