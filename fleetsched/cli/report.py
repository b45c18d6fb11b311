# SPDX-License-Identifier: Apache-2.0
"""`fleetsched report`: what is known of a policy, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleetsched.cli.complete import complete_policy
from fleetsched.cli.options import Repository, repository_around
from fleetsched.cli.say import say
from fleetsched.errors import InputError
from fleetsched.secrets import redact

app = typer.Typer()


@app.command()
def report(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help="A policy's name, or its folder.",
            autocompletion=complete_policy,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the page there; default: POLICY.html here.")
    ] = None,
    repository: Repository = None,
) -> None:
    """Write what gates and measurements say of a policy as one HTML page that needs nothing else."""
    from fleetsched.operations.evidence import dossier
    from fleetsched.views.report import report_html

    found = dossier(repository_around(repository), policy)
    file = output or Path(f"{found.policy.name}.html")
    try:
        file.write_text(redact(report_html(found)), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror or error}") from error
    say(f"wrote {file}")
