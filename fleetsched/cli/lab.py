# SPDX-License-Identifier: Apache-2.0
"""`fleetsched lab`: a fleet of virtual machines on this computer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetsched.cli.group import Group

if TYPE_CHECKING:
    from fleetsched.lab.labs import LabStatus

app = typer.Typer(
    cls=Group,
    help="A fleet of virtual machines on this computer, for trying things out.",
    no_args_is_help=True,
)

NameOption = Annotated[str, typer.Option("--name", help="The lab, if you have several.")]
_DEFAULT_NAME = "lab"


@app.command()
def up(
    hosts: Annotated[int, typer.Option(help="How many hosts.")] = 3,
    kernel: Annotated[str | None, typer.Option(help="Their kernel, for example 7.3 or 7.3.4.")] = None,
    name: NameOption = _DEFAULT_NAME,
    inventory: Annotated[
        Path | None, typer.Option(help="Write the inventory here, not into the fleet repository around you.")
    ] = None,
) -> None:
    """Start a lab: Debian hosts that answer SSH on loopback."""
    from fleetsched.model.wording import counted
    from fleetsched.operations import lab as operation

    request = operation.UpRequest(hosts=hosts, kernel=kernel, name=name, inventory=inventory, cwd=Path.cwd())
    started, changed = operation.up(request, lambda line: typer.echo(line, err=True))
    what = "is up" if changed else "was up already"
    hosts_up = counted(len(started.machines), "host")
    typer.echo(f"lab {started.name} {what}: {hosts_up}, {started.kernel}, {started.accelerator}")
    typer.echo(f"inventory: {started.inventory or started.folder / 'inventory.yaml'}")


@app.command()
def status(
    name: Annotated[str | None, typer.Option(help="Only this lab.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show the labs and their hosts."""
    from fleetsched.operations import lab as operation

    found = operation.status(name)
    if json:
        import json as encoder

        typer.echo(encoder.dumps([_record(entry) for entry in found], indent=2))
        return
    if not found:
        typer.echo("no lab is up")
    for entry in found:
        typer.echo(f"lab {entry.lab.name}: {entry.health}, {entry.lab.kernel}, {entry.lab.accelerator}")
        for machine, pid in zip(entry.lab.machines, entry.processes, strict=True):
            state = f"running (process {pid})" if pid else "ended"
            typer.echo(f"  {machine.name:8} 127.0.0.1:{machine.port}  {state}")


@app.command(context_settings={"allow_extra_args": True})
def ssh(
    host: Annotated[str, typer.Argument(help="For example lab-1 (as root) or ops@lab-1.")],
    command: Annotated[list[str] | None, typer.Argument(help="After --: run this, not a shell.")] = None,
    name: NameOption = _DEFAULT_NAME,
) -> None:
    """Open a shell on a host, or run a command there."""
    import os
    import sys

    from fleetsched.operations import lab as operation

    argv = operation.ssh_command(name, host, command or [])
    sys.stdout.flush()
    os.execvp(argv[0], argv)  # noqa: S606 - the terminal, signals and exit code are ssh's from here on


@app.command()
def down(name: NameOption = _DEFAULT_NAME) -> None:
    """Take a lab down and delete everything of it."""
    from fleetsched.operations import lab as operation

    typer.echo(f"lab {name} is down" if operation.down(name) else f"no lab {name} is up")


def _record(entry: LabStatus) -> dict[str, object]:
    lab = entry.lab
    return {
        "name": lab.name,
        "health": entry.health.value,
        "kernel": lab.kernel,
        "accelerator": lab.accelerator,
        "inventory": str(lab.inventory or lab.folder / "inventory.yaml"),
        "hosts": [
            {"name": machine.name, "address": "127.0.0.1", "port": machine.port, "process": pid}
            for machine, pid in zip(lab.machines, entry.processes, strict=True)
        ],
    }
