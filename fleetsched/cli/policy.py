# SPDX-License-Identifier: Apache-2.0
"""`fleetsched policy`: the policies that come with fleetsched."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetsched.cli.complete import complete_shipped_policy
from fleetsched.cli.group import Group
from fleetsched.cli.options import MARKER, Json, Repository, find_repository, repository_around
from fleetsched.cli.say import say, say_record
from fleetsched.errors import UsageError

app = typer.Typer(
    cls=Group,
    help="The policies that come with fleetsched, and copying them into a fleet repository.",
    no_args_is_help=True,
)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A policy of the catalogue.", autocompletion=complete_shipped_policy),
]


@app.command("list")
def list_policies(repository: Repository = None, as_json: Json = False) -> None:
    """List the catalogue, and what the fleet repository around you has of it."""
    from fleetsched.operations.catalogue import entries
    from fleetsched.views.policy import policy_list_text, policy_records

    found = entries(repository_around(repository))
    if as_json:
        for record in policy_records(found):
            say_record(record)
    else:
        say(policy_list_text(found))


@app.command()
def show(name: Name, repository: Repository = None) -> None:
    """Show what a policy does, where it suits, and its parameters with their ranges."""
    from fleetsched.operations.catalogue import describe
    from fleetsched.views.policy import policy_text

    say(policy_text(describe(name, repository_around(repository))))


@app.command()
def add(name: Name, repository: Repository = None) -> None:
    """Copy a policy into the fleet repository: manifest, source, lock and README."""
    from fleetsched.fleetrepo.programs import renewal
    from fleetsched.operations.catalogue import add_policy, find_policy

    root = find_repository(repository)
    if not (root / MARKER).is_file():
        raise UsageError(f"{root} is no fleet repository: it has no {MARKER}")
    policy, written = find_policy(name), add_policy(root, name)
    for path in written:
        say(f"wrote {path}")
    if written and policy.program:
        say(f"next: lock it with a copy of the hosts' program: `{renewal(policy)}`")
    elif written:
        say(f"next: bind it in a goal, `policy: {{name: {name}}}`, then `fleetsched validate`")
    else:
        say(f"{root / 'policies' / name} is there already, the same as the catalogue's")
