# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, named as Ansible and Terraform name them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from fleetsched.cli.complete import complete_group, complete_hosts
from fleetsched.errors import UsageError

if TYPE_CHECKING:
    from fleetsched.operations.fleet import FleetAccess
    from fleetsched.operations.plan import Selection

Repository = Annotated[
    Path | None,
    typer.Option(
        "--repository",
        "-C",
        envvar="FLEETSCHED_REPOSITORY",
        help="The fleet repository; default: the one around this folder.",
    ),
]
Inventory = Annotated[
    list[Path] | None,
    typer.Option(
        "--inventory",
        "-i",
        envvar="FLEETSCHED_INVENTORY",
        help="Inventory file or folder; may be given several times.",
    ),
]
Limit = Annotated[
    str | None,
    typer.Option(
        "--limit",
        "-l",
        envvar="FLEETSCHED_LIMIT",
        help="Only these hosts (an Ansible pattern).",
        autocompletion=complete_hosts,
    ),
]
Exclude = Annotated[
    str | None,
    typer.Option(
        "--exclude",
        envvar="FLEETSCHED_EXCLUDE",
        help="Not these hosts (an Ansible pattern).",
        autocompletion=complete_hosts,
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        envvar="FLEETSCHED_GROUP",
        help="Only the hosts of this HostGroup.",
        autocompletion=complete_group,
    ),
]
# The controller's own file is read with the environment over it: so these two have no `envvar` here.
Forks = Annotated[
    int | None,
    typer.Option("--forks", "-f", min=1, help="Hosts at the same time; also FLEETSCHED_FORKS."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="The controller's own configuration file; also FLEETSCHED_CONFIG."),
]
AskBecomePass = Annotated[
    bool,
    typer.Option(
        "--ask-become-pass",
        "-K",
        envvar="FLEETSCHED_ASK_BECOME_PASS",
        help="Ask for the password that sudo wants on hosts.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON records, one a line, and nothing else.")]
Signatures = Annotated[
    Path | None,
    typer.Option("--signatures", help="What `sign` wrote, for hosts that take only signed assignments."),
]
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


def repository_around(given: Path | None) -> Path | None:
    """The fleet repository if there is one, for what can be done anywhere.

    Raises:
        UsageError: `given` is not a folder.
    """
    try:
        return find_repository(given)
    except UsageError:
        if given is not None:
            raise
        return None


@dataclass(frozen=True, slots=True)
class ReachOptions:
    """The options of a command that reaches hosts."""

    repository: Repository = None
    inventory: Inventory = None
    forks: Forks = None
    config: Config = None
    ask_become_pass: AskBecomePass = False

    def open(self, *, fetch: bool = False, approved: bool = False) -> FleetAccess:
        """Load and check everything that a command about hosts needs."""
        return open_access(
            self.repository,
            self.inventory,
            self.config,
            self.forks,
            fetch=fetch,
            approved=approved,
            become_password=_ask_become_password() if self.ask_become_pass else "",
        )


@dataclass(frozen=True, slots=True)
class FleetOptions(ReachOptions):
    """The options of a command about many hosts."""

    limit: Limit = None
    exclude: Exclude = None
    group: Group = None

    @property
    def selection(self) -> Selection:
        """Which hosts the command is about."""
        from fleetsched.operations.plan import Selection

        return Selection(self.limit, self.exclude, self.group)


def _ask_become_password() -> str:
    import getpass
    import sys

    from fleetsched.secrets import hide

    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask for the sudo password")
    password = getpass.getpass("sudo password: ")
    hide(password)
    return password


def with_fleet_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every option of its argument `fleet`, which it gets as one value.

    `fleet` is annotated with `FleetOptions`, or with `ReachOptions` where hosts are not selected.
    """
    kinds = {"FleetOptions": FleetOptions, "ReachOptions": ReachOptions}
    own = get_type_hints(command, include_extras=True, localns=kinds)
    kind = own["fleet"]
    shared = get_type_hints(kind, include_extras=True)

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        fleet = kind(**{name: given.pop(name) for name in shared})
        command(fleet=fleet, **given)

    parameters = [
        parameter.replace(annotation=own[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "fleet"
    ]
    parameters += [
        inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=shared[each.name]
        )
        for each in dataclasses.fields(kind)
    ]
    wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    )
    wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
    return wrapper


def with_signatures(access: FleetAccess, file: Path | None) -> FleetAccess:
    """Take signatures from a file of `fleetsched sign`, if one is given, instead of the controller's key."""
    if file is None:
        return access
    from fleetsched.operations.sign import read_signatures

    return dataclasses.replace(access, signatures=read_signatures(file))


def open_access(
    repository: Path | None,
    inventory: list[Path] | None,
    config: Path | None,
    forks: int | None,
    *,
    fetch: bool = False,
    approved: bool = False,
    become_password: str = "",
) -> FleetAccess:
    """Load and check everything that a command about hosts needs."""
    from fleetsched.operations.fleet import open_fleet

    return open_fleet(
        find_repository(repository),
        inventory=inventory,
        config=config,
        forks=forks,
        fetch=fetch,
        approved=approved,
        become_password=become_password,
    )
