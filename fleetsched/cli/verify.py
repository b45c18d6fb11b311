# SPDX-License-Identifier: Apache-2.0
"""`fleetsched verify`: the gates, on this computer."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetsched.cli.complete import complete_policy
from fleetsched.cli.options import Repository, find_repository, repository_around
from fleetsched.cli.say import complain, say, say_record

app = typer.Typer()


@app.command()
def verify(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY", help="A policy's name, or its folder.", autocompletion=complete_policy
        ),
    ],
    kernels: Annotated[
        str | None, typer.Option("--kernels", metavar="LIST", help="Such as 6.18,7.3, or `all`.")
    ] = None,
    variant: Annotated[str | None, typer.Option("--variant", help="Only this one; default: all.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="GATE", help="The last gate; default: stress.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Judge anew what was judged on machines before.")
    ] = False,
    repository: Repository = None,
) -> None:
    """Send a policy through the gates: schema, compile, inspect, verify, attach, stress, soak.

    From `verify` on they use a virtual machine a kernel. Returns 2 when a gate says no.
    """
    from fleetsched.operations.verify import exit_code
    from fleetsched.operations.verify import verify as judge
    from fleetsched.views.verify import verify_record, verify_text

    # A policy that is named by its folder needs no fleet repository.
    find = repository_around if "/" in policy else find_repository
    reports = judge(
        find(repository),
        policy,
        complain,
        kernels=kernels,
        variant=variant,
        until=until,
        cached=not no_cache,
    )
    if as_json:
        say_record(verify_record(reports))
    else:
        say(verify_text(reports))
    raise typer.Exit(exit_code(reports))
