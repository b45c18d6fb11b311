# SPDX-License-Identifier: Apache-2.0
"""`fleetsched sign`: the signatures that some hosts want, made by a person of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from fleetsched.cli.options import ReachOptions, with_fleet_options
from fleetsched.errors import UsageError

app = typer.Typer()

_DURATION = re.compile(r"[1-9][0-9]{0,5}[mhd]")


@app.command()
@with_fleet_options
def sign(
    fleet: ReachOptions,
    file: Annotated[Path, typer.Argument(help="The file to write; it is no secret.")],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="Private key, or a public one that an agent holds; default: the controller's, or "
            "FLEETSCHED_SIGN_KEY.",
        ),
    ] = None,
    valid_for: Annotated[
        str | None, typer.Option("--for", help="How long it is good, such as 12h or 7d; default: 24h.")
    ] = None,
    unreviewed: Annotated[
        bool, typer.Option("--unreviewed", help="In a lab only: sign what nobody approved.")
    ] = False,
) -> None:
    """Sign what the approved revision wants of each group, for `apply --signatures`. Asks no host."""
    from fleetsched.fleetrepo.decode import duration
    from fleetsched.operations.apply import check_lab
    from fleetsched.operations.sign import sign_fleet
    from fleetsched.views.signed import signed_text

    if valid_for is not None and not _DURATION.fullmatch(valid_for):
        raise UsageError(f"--for {valid_for}: expected a duration such as 12h or 7d")
    access = fleet.open(fetch=True, approved=not unreviewed)
    check_lab(access, access.fleet.inventory.hosts.values())
    settings = access.controller.sign
    if key is None and not settings.key:
        raise UsageError("there is no key to sign with", remedy="name one with --key")
    valid_s = duration(valid_for) if valid_for else settings.valid_s
    signed = sign_fleet(access, key or Path(settings.key).expanduser(), valid_s, file)
    typer.echo(signed_text(signed))
    typer.echo(f"\nSaved: `fleetsched apply --signatures {file}` brings it to the hosts.")
