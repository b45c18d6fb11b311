# SPDX-License-Identifier: Apache-2.0
"""Groups of commands: quick, and helpful when no command is named."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

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

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show what there is when nothing is asked for, as an error: nothing was done."""
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(ExitCode.USAGE)
        return super().parse_args(ctx, args)
