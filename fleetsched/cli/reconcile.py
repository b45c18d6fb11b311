# SPDX-License-Identifier: Apache-2.0
"""`fleetsched reconcile`: keep the fleet at the approved revision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleetsched.cli.options import Config, Forks, Inventory
from fleetsched.cli.running import stop_on_signals
from fleetsched.cli.say import complain

app = typer.Typer()


@app.command()
def reconcile(
    repository: Annotated[
        str | None,
        typer.Option(
            "--repository",
            "-C",
            envvar="FLEETSCHED_REPOSITORY",
            help="URL or path of the fleet repository; default: trust.remote of the controller's file.",
        ),
    ] = None,
    inventory: Inventory = None,
    forks: Forks = None,
    config: Config = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state-folder",
            envvar="STATE_DIRECTORY",
            help="Where its clone, journals and memory are; default: the user's state folder.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One cycle, without a status page.")] = False,
    accept_rewound: Annotated[
        str,
        typer.Option(
            "--accept-rewound",
            metavar="COMMIT",
            help="People have taken the trusted branch back to this commit on purpose; with --once.",
        ),
    ] = "",
) -> None:
    """Fetch the trusted branch, roll out what is approved, heal drift, and tell; again and again."""
    import platformdirs

    from fleetsched.reconcile.main import Start, serve

    start = Start(
        repository=repository,
        state=state or platformdirs.user_state_path("fleetsched") / "reconcile",
        config=config,
        inventory=inventory,
        forks=forks,
        accept_rewound=accept_rewound,
    )
    with stop_on_signals() as stop:
        raise typer.Exit(serve(start, stop, complain, once=once))
