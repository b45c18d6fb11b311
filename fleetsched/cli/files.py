# SPDX-License-Identifier: Apache-2.0
"""Commands about the files of a fleet repository: init, validate, lock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleetsched.cli.complete import complete_policy
from fleetsched.cli.options import Inventory, Repository, find_repository
from fleetsched.cli.say import complain, say

app = typer.Typer()


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Make a new fleet repository with a working example for the lab."""
    from fleetsched.operations.init import init as make

    for path in make(folder):
        say(f"wrote {path}")
    say(f"next: cd {folder}, `fleetsched lab up --hosts 3`, `fleetsched plan`")


@app.command()
def validate(repository: Repository = None, inventory: Inventory = None) -> None:
    """Check every file of the fleet repository; name all mistakes at once."""
    from fleetsched.operations.validate import validate as check

    fleet = check(find_repository(repository), inventory)
    for warning in fleet.warnings:
        complain(f"warning: {warning}")
    say(
        f"valid: {len(fleet.goals)} goals, {len(fleet.groups)} groups, {len(fleet.policies)} policies, "
        f"{len(fleet.inventory.hosts)} hosts"
    )


@app.command()
def lock(
    policies: Annotated[
        list[str] | None, typer.Argument(help="Policies; default: all.", autocompletion=complete_policy)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only fail where a lock is stale.")] = False,
    repository: Repository = None,
) -> None:
    """Compile policies and write their policy.lock.yaml."""
    from fleetsched.operations.lock import lock as lock_policies

    for result in lock_policies(find_repository(repository), policies or [], check):
        say(str(result))
