# SPDX-License-Identifier: Apache-2.0
"""The root of the command line, and the outermost boundary for errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

import fleetsched
from fleetsched.cli.group import Group
from fleetsched.errors import ExitCode, FleetschedError, ProblemsError, UsageError
from fleetsched.secrets import redact

# Which file has which commands, so that one command is not kept waiting by the others: making all of them
# takes a third of the time that a help may take. What is missing here is found all the same, only later.
_FILES = {
    "files": ("init", "validate", "lock"),
    "explain": ("explain",),
    "runs": ("plan", "apply", "status"),
    "sign": ("sign",),
    "observe": ("observe",),
    "bench": ("bench",),
    "reconcile": ("reconcile",),
    "undo": ("rollback", "retry", "release"),
    "propose": ("propose",),
    "proposals": ("review",),
    "policy": ("policy",),
    "report": ("report",),
    "verify": ("verify",),
    "hosts": ("hosts",),
    "bootstrap": ("bootstrap",),
    "helper": ("helper",),
    "lab": ("lab",),
    "mcp": ("mcp",),
}
_GROUPS = ("policy", "hosts", "helper", "lab")


def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"fleetsched {fleetsched.__version__}")
        raise typer.Exit


@cache
def command(first: str = "") -> Any:
    """The tree of commands as typer makes it: all, or those of the file that has the command `first`."""
    app = typer.Typer(
        name="fleetsched",
        cls=Group,
        help="Manage the CPU schedulers of a fleet of Linux hosts the GitOps way.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_root)
    for file in [file for file, names in _FILES.items() if first in names] or _FILES:
        members: typer.Typer = import_module(f"fleetsched.cli.{file}").app
        app.add_typer(members, name=file if file in _GROUPS else None)
    return get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every expected error is one message on standard error."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    tree = command(next((word for word in words if not word.startswith("-")), ""))
    try:
        return tree.main(args=words, prog_name="fleetsched", standalone_mode=False) or ExitCode.OK
    except TyperException as error:
        # 2 is what parsers return for a wrong command line; here 2 means changes.
        return _usage(error.format_message(), words, tree)
    except typer.Abort:
        typer.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except ProblemsError as error:
        typer.echo(redact(str(error)), err=True)  # as compilers do, so that editors can follow each line
        return error.exit_code
    except UsageError as error:
        return _usage(str(error), words, tree)
    except FleetschedError as error:
        typer.echo(f"fleetsched: {redact(str(error))}", err=True)
        return error.exit_code
    except OSError as error:
        typer.echo(f"fleetsched: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        return ExitCode.ERROR


def _usage(message: str, words: Sequence[str], asked: Any) -> ExitCode:
    """Say what is wrong with the command line, and where to read about the command."""
    path = ["fleetsched"]
    for word in words:
        if word in getattr(asked, "commands", {}):
            path.append(word)
            asked = asked.commands[word]
    typer.echo(f"fleetsched: {message}\n  see `{' '.join(path)} --help`", err=True)
    return ExitCode.USAGE
