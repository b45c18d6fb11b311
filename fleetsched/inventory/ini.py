# SPDX-License-Identifier: Apache-2.0
"""INI inventories, the oldest form: `[group]`, `[group:vars]`, `[group:children]`."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fleetsched.documents.node import Node, shown
from fleetsched.documents.reader import Limits
from fleetsched.errors import Problem
from fleetsched.inventory.connection import Findings
from fleetsched.inventory.groups import GroupReader
from fleetsched.inventory.names import group_mistake
from fleetsched.inventory.tree import Tree
from fleetsched.model.position import Position

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_PLAIN_TEXT = re.compile(r"(?!(?:True|False|None)$)[A-Za-z_][\w./-]*|[0-9]+(?:\.[0-9]+){2,}", re.ASCII)
_CHILD = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
_MOST_BYTES = Limits().bytes
_KINDS = ("hosts", "children", "vars")
_SCALARS = (str, int, float, bool, type(None))


def read_ini(file: Path, name: str, tree: Tree, findings: Findings) -> None:
    """Read an INI inventory into a tree. Problems call the file `name`."""
    try:
        with file.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        findings.problems.append(Problem(name, 0, 0, f"cannot be read as text: {error}"))
        return
    if len(data) > _MOST_BYTES:
        findings.problems.append(Problem(name, 0, 0, f"is larger than {_MOST_BYTES:,} bytes"))
        return
    reader = _Ini(name, tree, findings)
    for number, line in enumerate(text.splitlines(), 1):
        reader.line(number, line)
    reader.end()


@dataclass
class _Ini:
    name: str
    tree: Tree
    findings: Findings
    group: str = "ungrouped"
    kind: str = "hosts"
    declared: set[str] = field(default_factory=lambda: {"all", "ungrouped"})
    pending: dict[str, Position] = field(default_factory=dict)

    def line(self, number: int, text: str) -> None:
        """Read one line."""
        line = text.strip()
        if not line or line[0] in "#;":
            return
        place = Position(self.name, number, len(text) - len(text.lstrip()) + 1)
        if line.startswith("[") and (_SECTION.fullmatch(line) or line.endswith("]") or "]" not in line):
            self._section(line, place)
        elif self.kind == "hosts":
            self._host(line, place)
        elif self.kind == "children":
            self._child(line, place)
        else:
            self._variable(line, place)

    def end(self) -> None:
        """Name the groups that are spoken of and are nowhere."""
        for group, place in self.pending.items():
            if group not in self.declared:
                self._problem(place, f"group {shown(group)} is nowhere defined")

    def _problem(self, place: Position, message: str) -> None:
        self.findings.problems.append(place.problem(message))

    def _section(self, line: str, place: Position) -> None:
        match = _SECTION.fullmatch(line)
        if match is None or group_mistake(match[1]):
            self._problem(place, f"expected a section such as [web] or [web:vars], got {shown(line)}")
            return
        self.group, self.kind = match[1], match[2] or "hosts"
        if self.kind not in _KINDS:
            self._problem(place, f"section [{line[1:-1]}]: expected {', '.join(_KINDS)} after the colon")
            self.kind = "vars"
            return
        self.tree.group(self.group)
        if self.kind == "vars":
            self.pending.setdefault(self.group, place)
        else:
            self.declared.add(self.group)

    def _host(self, line: str, place: Position) -> None:
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            self._problem(place, f"{shown(line)}: {error}".lower())
            return
        if not words:
            return
        variables: dict[str | int, Node] = {}
        start = 0
        for word in words[1:]:
            key, equals, value = word.partition("=")
            if not equals:
                self._problem(place, f"expected name=value after the host, got {shown(word)}")
                return
            start = max(line.find(f"{key}=", start), start)  # quotes may have hidden it
            variables[key] = _value(value, replace(place, column=place.column + start + len(key) + 1))
        node = Node({key: value.value for key, value in variables.items()}, place, variables)
        GroupReader(self.tree, self.findings).add_hosts(self.group, words[0], node, place)

    def _child(self, line: str, place: Position) -> None:
        match = _CHILD.fullmatch(line)
        if match is None or group_mistake(match[1]):
            self._problem(place, f"expected a group's name, got {shown(line)}")
            return
        self.pending.setdefault(match[1], place)
        self.tree.add_child(self.group, match[1], place, self.findings)

    def _variable(self, line: str, place: Position) -> None:
        key, equals, value = line.partition("=")
        if not equals:
            self._problem(place, f"expected name=value, got {shown(line)}")
            return
        column = place.column + len(line) - len(value.lstrip())
        self.tree.group(self.group).variables[key.strip()] = _value(
            value.strip(), replace(place, column=column)
        )


def _value(text: str, place: Position) -> Node:
    """Read a value as Ansible does: a Python literal, else text."""
    if _PLAIN_TEXT.fullmatch(text):  # what most are, at a tenth of the time
        return Node(text, place)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as of an odd escape in somebody's text
            value: Any = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return Node(text, place)
    return _node(value, place)


def _node(value: Any, place: Position) -> Node:
    """A Python literal as a node; everything of it is written in one place."""
    if isinstance(value, dict):
        children: dict[str | int, Node] = {str(key): _node(each, place) for key, each in value.items()}
        return Node({key: child.value for key, child in children.items()}, place, children)
    if isinstance(value, list | tuple | set):
        items = [_node(each, place) for each in value]
        return Node([item.value for item in items], place, dict(enumerate(items)))
    return Node(value if isinstance(value, _SCALARS) else str(value), place)
