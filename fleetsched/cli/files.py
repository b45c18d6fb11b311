# SPDX-License-Identifier: Apache-2.0
"""Commands about the files of a fleet repository: init, validate, lock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleetsched.cli.complete import complete_policy
from fleetsched.cli.options import Inventory, Repository, find_repository
from fleetsched.cli.say import complain, say
from fleetsched.errors import UsageError

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
    from fleetsched.model.wording import counted
    from fleetsched.operations.validate import validate as check

    fleet = check(find_repository(repository), inventory)
    for warning in fleet.warnings:
        complain(f"warning: {warning}")
    say(
        f"valid: {counted(len(fleet.goals), 'goal')}, {counted(len(fleet.groups), 'group')}, "
        f"{counted(len(fleet.policies), 'policy', 'policies')}, {counted(len(fleet.inventory.hosts), 'host')}"
    )


@app.command()
def lock(
    policies: Annotated[
        list[str] | None, typer.Argument(help="Policies; default: all.", autocompletion=complete_policy)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only fail where a lock is stale.")] = False,
    program: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For a policy of `kind: program`: a copy of what hosts have."),
    ] = None,
    program_version: Annotated[
        str, typer.Option(metavar="VERSION", help="That program's version, for people.")
    ] = "",
    repository: Repository = None,
) -> None:
    """Compile policies and write their policy.lock.yaml."""
    from fleetsched.operations.lock import lock as lock_policies
    from fleetsched.operations.lock import lock_program

    root = find_repository(repository)
    if program or program_version:
        if not (program and program_version and policies and len(policies) == 1) or check:
            raise UsageError("--program and --program-version go together, with one policy, without --check")
        say(str(lock_program(root, policies[0], program, program_version)))
        return
    for result in lock_policies(root, policies or [], check):
        say(str(result))
