# SPDX-License-Identifier: Apache-2.0
"""`fleetsched verify`: the gates, on this computer."""

from __future__ import annotations

from typing import Annotated

import typer

from fleetsched.cli.complete import complete_policy
from fleetsched.cli.options import Repository, repository_around
from fleetsched.cli.say import complain, say, say_record
from fleetsched.cli.values import guardrails_of, pairs_of
from fleetsched.errors import UsageError

app = typer.Typer()

_REPEATS = 10


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
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameters", "-p", metavar="NAME=VALUE", help="Of the policy; several times."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="GATE", help="The last gate; default: stress.")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            "--benchmark",
            metavar="WORKLOAD",
            help="Then measure it on this workload, against the kernel's own scheduler.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="POLICY", help="With --benchmark: compare it with this one, too."),
    ] = None,
    guardrails: Annotated[
        list[str] | None,
        typer.Option(
            "--guardrail",
            metavar="METRIC=PERCENT",
            help="With --benchmark: how much worse a metric may be; several times. The workload's own: 5 %.",
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            "--repeats",
            min=1,
            max=1000,
            help="With --benchmark: runs of each scheduler, at most; default: 10.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Judge anew what was judged on machines before.")
    ] = False,
    repository: Repository = None,
) -> None:
    """Send a policy through the gates: schema, compile, inspect, verify, attach, stress, soak, benchmark.

    From `verify` on they use a virtual machine a kernel. Returns 2 when a gate says no.
    """
    from fleetsched.operations.verify import Measured, exit_code
    from fleetsched.operations.verify import verify as judge
    from fleetsched.views.verify import verify_record, verify_text

    measured = None
    if benchmark is not None:
        measured = Measured(benchmark, against, guardrails_of(guardrails), repeats or _REPEATS)
    elif (against, guardrails, repeats) != (None, None, None):
        raise UsageError(
            "--against, --guardrail and --repeats are about a benchmark: name it with --benchmark"
        )
    reports = judge(
        repository_around(repository),
        policy,
        complain,
        kernels=kernels,
        variant=variant,
        until=until,
        cached=not no_cache,
        measured=measured,
        parameters=pairs_of("--parameters", parameters),
    )
    if as_json:
        say_record(verify_record(reports))
    else:
        say(verify_text(reports))
    raise typer.Exit(exit_code(reports))
