# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, named as Ansible and Terraform name them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetsched.errors import UsageError

if TYPE_CHECKING:
    from fleetsched.operations.fleet import FleetAccess

Repository = Annotated[
    Path | None,
    typer.Option("--repository", "-C", help="The fleet repository; default: the one around this folder."),
]
Inventory = Annotated[
    list[Path] | None,
    typer.Option("--inventory", "-i", help="Inventory file or folder; may be given several times."),
]
Limit = Annotated[str | None, typer.Option("--limit", "-l", help="Only these hosts (an Ansible pattern).")]
Forks = Annotated[int | None, typer.Option("--forks", "-f", min=1, help="Hosts at the same time.")]
Config = Annotated[Path | None, typer.Option("--config", help="The controller's own configuration file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON records, one a line, and nothing else.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

MARKER = "fleetsched.yaml"


def find_repository(given: Path | None) -> Path:
    """The fleet repository: the given folder, else the nearest folder upward that has `fleetsched.yaml`.

    Raises:
        UsageError: there is none.
    """
    if given is not None:
        if not given.is_dir():
            raise UsageError(f"{given} is not a folder")
        return given
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / MARKER).is_file():
            return folder
    raise UsageError(
        f"no fleet repository here: neither {here} nor a folder above it has {MARKER}",
        remedy="make one with `fleetsched init FOLDER`, or name one with --repository",
    )


def open_access(
    repository: Path | None,
    inventory: list[Path] | None,
    config: Path | None,
    forks: int | None,
    *,
    fetch: bool = False,
) -> FleetAccess:
    """Load and check everything that a command about hosts needs."""
    from fleetsched.operations.fleet import open_fleet

    return open_fleet(
        find_repository(repository), inventory=inventory, config=config, forks=forks, fetch=fetch
    )
