# SPDX-License-Identifier: Apache-2.0
"""All commands, found by walking their tree, so that a new one is tested without being named here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetsched.cli.main import command


def walk(path: tuple[str, ...] = (), at: Any = None) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its words after `fleetsched`, groups before their members."""
    at = at or command()
    yield path, at
    for name, member in getattr(at, "commands", {}).items():
        yield from walk((*path, name), member)


ALL = dict(walk())
GROUPS = {path: at for path, at in ALL.items() if hasattr(at, "commands")}
LEAVES = {path: at for path, at in ALL.items() if path not in GROUPS}


def arguments(at: Any) -> list[Any]:
    """A command's positional parameters."""
    return [each for each in at.params if each.param_type_name == "argument"]


def options(at: Any) -> list[Any]:
    """A command's options."""
    return [each for each in at.params if each.param_type_name == "option"]
