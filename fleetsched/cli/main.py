# SPDX-License-Identifier: Apache-2.0
"""The root of the command line, and the outermost boundary for errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

import fleetsched
from fleetsched.cli import explain, files, hosts, lab, policy, proposals, runs
from fleetsched.cli.group import Group
from fleetsched.errors import ExitCode, FleetschedError, ProblemsError, UsageError
from fleetsched.secrets import redact

app = typer.Typer(
    name="fleetsched",
    cls=Group,
    help="Manage the CPU schedulers of a fleet of Linux hosts the GitOps way.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(files.app)
app.add_typer(explain.app)
app.add_typer(runs.app)
app.add_typer(proposals.app)
app.add_typer(policy.app, name="policy")
app.add_typer(hosts.app, name="hosts")
app.add_typer(lab.app, name="lab")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Manage the CPU schedulers of a fleet of Linux hosts the GitOps way."""
    if version:
        typer.echo(f"fleetsched {fleetsched.__version__}")
        raise typer.Exit


@cache
def command() -> Any:
    """The tree of all commands, as typer makes it from `app`."""
    return get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every expected error is one message on standard error."""
    try:
        return command().main(args=arguments, prog_name="fleetsched", standalone_mode=False) or ExitCode.OK
    except TyperException as error:
        # 2 is what parsers return for a wrong command line; here 2 means changes.
        return _usage(error.format_message(), arguments)
    except typer.Abort:
        typer.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except ProblemsError as error:
        typer.echo(redact(str(error)), err=True)  # as compilers do, so that editors can follow each line
        return error.exit_code
    except UsageError as error:
        return _usage(str(error), arguments)
    except FleetschedError as error:
        typer.echo(f"fleetsched: {redact(str(error))}", err=True)
        return error.exit_code
    except OSError as error:
        typer.echo(f"fleetsched: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        return ExitCode.ERROR


def _usage(message: str, arguments: Sequence[str] | None) -> ExitCode:
    """Say what is wrong with the command line, and where to read about the command."""
    path, asked = ["fleetsched"], command()
    for argument in sys.argv[1:] if arguments is None else arguments:
        if argument in getattr(asked, "commands", {}):
            path.append(argument)
            asked = asked.commands[argument]
    typer.echo(f"fleetsched: {message}\n  see `{' '.join(path)} --help`", err=True)
    return ExitCode.USAGE
