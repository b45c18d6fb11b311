# SPDX-License-Identifier: Apache-2.0
"""Groups of commands: quick, and helpful when no command is named."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from fleetsched.errors import ExitCode


class Group(TyperGroup):
    """A group of commands whose own flags cost nothing while nobody gives them.

    typer makes a pydantic adapter, whose library takes 0.2 s to load, for each flag without a default: a
    group's `--help` and the two about completion, so for every command.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """All parameters, flags with the default that they have in fact."""
        parameters = super().get_params(ctx)
        for parameter in parameters:
            if getattr(parameter, "is_flag", False) and parameter.default is None:
                parameter.default = False
        return parameters

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a member; while a shell completes its words, none is converted, which takes pydantic."""
        command = copy(super().get_command(ctx, cmd_name))
        if ctx.resilient_parsing and isinstance(command, TyperCommand):
            command.parse_args = partial(_split_words, command)  # type: ignore[method-assign]
        return command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show what there is when nothing is asked for, as an error: nothing was done."""
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(ExitCode.USAGE)
        return super().parse_args(ctx, args)


def _split_words(command: TyperCommand, ctx: Any, args: list[str]) -> Any:
    """Say which words belong to which parameter, as written: all that completing the next one needs."""
    given, ctx.args, _ = command.make_parser(ctx).parse_args(args)
    for parameter in command.get_params(ctx):
        ctx.params[parameter.name], source = parameter.consume_value(ctx, given)
        ctx.set_parameter_source(parameter.name, source)
    return ctx.args
