# SPDX-License-Identifier: Apache-2.0
"""A value read from a file, with the place of everything in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleetsched.errors import Problem
from fleetsched.model.position import Position
from fleetsched.model.wording import printable


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that is there but cannot be read here, such as an encrypted one.

    Attributes:
        tag: how it is marked in the file, for example `!vault`.
    """

    tag: str


@dataclass(frozen=True, slots=True)
class Node:
    """One value.

    Attributes:
        value: the plain value: mapping (keys are text), list, text, number, boolean or None.
        position: where it begins.
        children: the nodes below by key or index; empty for scalars.
        keys: where each key of a mapping is written.
        size: how many values it stands for, itself included, aliases written out.
    """

    value: Any
    position: Position
    children: Mapping[str | int, Node] = field(default_factory=dict)
    keys: Mapping[str, Position] = field(default_factory=dict)
    size: int = 1

    def at(self, *path: str | int) -> Node:
        """Follow keys and indices downwards, as far as they exist."""
        node = self
        for part in path:
            if part not in node.children:
                break
            node = node.children[part]
        return node

    def get(self, *path: str | int) -> Node | None:
        """Follow keys and indices downwards; None when one of them does not exist or its value is null."""
        node = self
        for part in path:
            if part not in node.children:
                return None
            node = node.children[part]
        return None if node.value is None else node

    def key(self, name: str) -> Position:
        """Tell where a key is written; the mapping's own place when it is not there."""
        return self.keys.get(name, self.position)

    def items(self) -> Iterable[tuple[str, Node]]:
        """List a mapping's keys and nodes in the order of the file."""
        return ((str(key), child) for key, child in self.children.items())

    def problem(self, message: str) -> Problem:
        """Report a mistake in this value."""
        return self.position.problem(message)


_MOST_SHOWN = 60


def shown(value: Any) -> str:
    """Write a value the way it appears in a message: short, on one line, without control characters."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, Opaque):
        return f"a `{value.tag}` value"
    text = printable(str(value)[:_MOST_SHOWN], keep="")
    if len(str(value)) > _MOST_SHOWN:
        text += "..."
    return f'"{text}"' if isinstance(value, str) else text
