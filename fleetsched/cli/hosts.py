# SPDX-License-Identifier: Apache-2.0
"""`fleetsched hosts`: host keys, and whether hosts can be managed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fleetsched.cli.complete import complete_hosts
from fleetsched.cli.group import Group
from fleetsched.cli.options import FleetOptions, Yes, with_fleet_options
from fleetsched.cli.say import say
from fleetsched.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from fleetsched.operations.hosts import Offer, Trusted

app = typer.Typer(cls=Group, help="Host keys, and whether hosts can be managed.", no_args_is_help=True)


@app.command()
@with_fleet_options
def trust(
    fleet: FleetOptions,
    pattern: Annotated[
        str,
        typer.Argument(metavar="HOST", help="A host, or an Ansible pattern.", autocompletion=complete_hosts),
    ],
    yes: Yes = False,
    replace: Annotated[bool, typer.Option("--replace", help="Also replace a key that has changed.")] = False,
) -> None:
    """Show hosts' keys and remember those that you confirm."""
    from fleetsched.operations import hosts as operation
    from fleetsched.operations.plan import select

    access = fleet.open()
    named = {host.name for host in access.fleet.inventory.select(pattern)}
    results = operation.trust(
        [host for host in select(access.fleet, fleet.selection) if host.name in named],
        access.transport.ssh,
        confirm=lambda offer: _confirm(offer, yes),
        replace=replace,
        forks=access.forks,
    )
    for result in results:
        say(_trusted_line(result))
    bad = {operation.TrustOutcome.DECLINED, operation.TrustOutcome.CHANGED, operation.TrustOutcome.FAILED}
    if any(result.outcome in bad for result in results):
        raise typer.Exit(ExitCode.ERROR)


@app.command()
@with_fleet_options
def check(fleet: FleetOptions) -> None:
    """Say for each host whether it can be managed, and why not."""
    from fleetsched.operations import hosts as operation
    from fleetsched.operations.plan import select

    access = fleet.open()
    results = operation.check(select(access.fleet, fleet.selection), access.transport, forks=access.forks)
    for result in results:
        say(f"{'ok ' if result.ok else 'NO '} {result.host}: {result.found}")
        if result.remedy:
            say(f"      do: {result.remedy}")
    if not all(result.ok for result in results):
        raise typer.Exit(ExitCode.UNREACHABLE)


def _confirm(offer: Offer, yes: bool) -> bool:
    """Show a key and ask for it; an unknown one is never taken unseen."""
    say(f"{offer.host} ({offer.entry}) shows {offer.kind} {offer.fingerprint}")
    for old in offer.replaces:
        say(f"  known until now: {old}")
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to compare the key", remedy="compare it, then add --yes")
    return input("Is this its key? Only `yes` is accepted: ").strip() == "yes"


def _trusted_line(result: Trusted) -> str:
    if result.error:
        return f"{result.host}: {result.outcome}: {result.error}"
    where = f" in {result.offer.file}" if result.offer and result.offer.file else ""
    return f"{result.host}: {result.outcome}{where}"
