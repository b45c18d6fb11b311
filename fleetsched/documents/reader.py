# SPDX-License-Identifier: Apache-2.0
"""YAML 1.1, as Ansible reads it, to nodes.

The parser's events are built into values here, not by PyYAML's composer and constructors: so no tag can name
code, keys that appear twice are seen, aliases and depth are limited before they cost anything (C composer
recurses without a limit), and every value keeps its place. Keys are always text, as written. Dates stay text.
Merge keys (`<<`) work as in Ansible: a mapping's own keys win, then the first merged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from fleetsched.documents.node import Node, Opaque, shown
from fleetsched.documents.scalars import KNOWN_TAGS, PLAIN, construct, resolve
from fleetsched.errors import Problem
from fleetsched.model.position import Position


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost at most."""

    bytes: int = 8 * 1024 * 1024
    values: int = 1_000_000  # aliases written out; an inventory of 50,000 hosts has some 300,000
    depth: int = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read of one file, and what is wrong with it.

    Attributes:
        documents: every document that is not empty, up to the first unreadable place.
    """

    documents: tuple[Node, ...] = ()
    problems: tuple[Problem, ...] = ()

    def unnamed(self, found: Iterable[Problem]) -> list[Problem]:
        """Leave out what stands where a problem is already: a value that cannot be read is one mistake."""
        named = {(problem.line, problem.column) for problem in self.problems}
        return [problem for problem in found if (problem.line, problem.column) not in named]


def read_file(
    file: Path, name: str, *, opaque: frozenset[str] = frozenset(), limits: Limits = Limits()
) -> Reading:
    """Read a YAML file.

    Args:
        file: where it is.
        name: how problems name it.
        opaque: tags whose values become `Opaque`; every other tag but YAML's plain ones is a problem.
        limits: what it may cost.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(limits.bytes + 1)
    except OSError as error:
        return Reading(problems=(Problem(name, 0, 0, f"cannot be read: {error.strerror or error}"),))
    return read_bytes(data, name, opaque=opaque, limits=limits)


def read_bytes(
    data: bytes, name: str, *, opaque: frozenset[str] = frozenset(), limits: Limits = Limits()
) -> Reading:
    """Read the bytes of a YAML file; see `read_file`. Never raises, whatever the bytes."""
    if len(data) > limits.bytes:
        return Reading(problems=(Problem(name, 0, 0, f"is larger than {limits.bytes:,} bytes"),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Reading(problems=(_not_utf8(data, error.start, name),))
    forbidden = _FORBIDDEN.search(text)
    if forbidden is not None:
        return Reading(problems=(_control_character(text, forbidden.start(), name),))
    builder = _Builder(text, name, opaque, limits)
    return Reading(tuple(builder.documents()), tuple(builder.problems))


def _not_utf8(data: bytes, start: int, name: str) -> Problem:
    before = data[:start].removeprefix(b"\xef\xbb\xbf")
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    return Problem(name, line, column, f"not UTF-8: byte 0x{data[start]:02x}; save the file as UTF-8")


# Everything but what YAML 1.1 calls printable; the parsers refuse the same, but not with a line and column.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _control_character(text: str, start: int, name: str) -> Problem:
    line = text.count("\n", 0, start) + 1
    column = start - text.rfind("\n", 0, start)
    return Problem(
        name, line, column, f"character U+{ord(text[start]):04X} is not allowed in YAML; remove it"
    )


class _StopError(Exception):
    """The rest of the file cannot be read; the problem is already noted."""


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class _Builder:
    text: str
    name: str
    opaque: frozenset[str]
    limits: Limits
    problems: list[Problem] = field(default_factory=list)
    values: int = 0
    anchors: dict[str, Node | None] = field(default_factory=dict)

    def documents(self) -> Iterator[Node]:
        """Yield every document until the end or the first place that cannot be read."""
        try:
            events = self._events()
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self.anchors = {}
                    node = self._node(next(events), events, depth=1)
                    if node.value is not None:
                        yield node
        except _StopError:
            return

    def _events(self) -> Iterator[Any]:
        try:
            yield from yaml.parse(self.text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            self._stop(*self._explained(error))
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # The parser in Python lets impossible escapes such as "\UFFFFFFFF" through to chr().
            self._stop(Position(self.name, 1, 1), f"not YAML: {error}")

    def _explained(self, error: yaml.MarkedYAMLError) -> tuple[Position, str]:
        mark: Any = error.problem_mark or error.context_mark
        if mark is None:
            return Position(self.name, 1, 1), f"not YAML: {error.problem}"
        position = Position(self.name, mark.line + 1, mark.column + 1)
        lines = self.text.splitlines()
        line = lines[mark.line] if mark.line < len(lines) else ""
        if line[mark.column : mark.column + 1] == "\t":
            return position, "a tab where YAML allows only spaces: indent with spaces"
        context = f" {error.context}" if error.context else ""
        return position, f"not YAML: {error.problem}{context}"

    def _stop(self, position: Position, message: str) -> NoReturn:
        self.problems.append(position.problem(message))
        raise _StopError

    def _position(self, event: Any) -> Position:
        return Position(self.name, event.start_mark.line + 1, event.start_mark.column + 1)

    def _count(self, position: Position, values: int) -> None:
        self.values += values
        if self.values > self.limits.values:
            self._stop(
                position, f"more than {self.limits.values:,} values, aliases written out; make it smaller"
            )

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        position = self._position(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, position)
        self._count(position, 1)
        if depth > self.limits.depth:
            self._stop(position, f"nested deeper than {self.limits.depth} levels")
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, position)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, events, position, depth)
        else:
            node = self._mapping(event, events, position, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def _alias(self, anchor: Any, position: Position) -> Node:
        if anchor not in self.anchors:
            self._stop(position, f"alias *{anchor} names no anchor before it")
        target = self.anchors[anchor]
        if target is None:
            self._stop(position, f"alias *{anchor} stands inside the value that it names")
        self._count(position, target.size)
        return target

    def _scalar(self, event: Any, position: Position) -> Node:
        tag = resolve(event.tag, event.value, event.implicit)
        return Node(self._plain(tag, event.value, position), position)

    def _plain(self, tag: str, text: str, position: Position) -> Any:
        if tag in self.opaque:
            return Opaque(tag)
        if tag not in KNOWN_TAGS:
            return self._unknown_tag(tag, position)
        try:
            return construct(tag, text)
        except ValueError as error:
            self.problems.append(position.problem(str(error)))
            return None

    def _unknown_tag(self, tag: str, position: Position) -> None:
        written = tag.replace(PLAIN, "!!", 1)
        why = "tags are not supported"
        if tag.startswith(PLAIN + "python/"):
            why = "tags that name code are never run"
        elif tag == "!vault":
            why = "encrypted values are not supported here"
        self.problems.append(position.problem(f"`{written}`: {why}; write the plain value"))

    def _collection_tag(self, event: Any, expected: str, position: Position) -> Opaque | None:
        if event.tag in (None, "!", PLAIN + expected):
            return None
        if event.tag in self.opaque:
            return Opaque(event.tag)
        self._unknown_tag(event.tag, position)
        return None

    def _sequence(self, event: Any, events: Iterator[Any], position: Position, depth: int) -> Node:
        opaque = self._collection_tag(event, "seq", position)
        children: dict[str | int, Node] = {}
        for inner in events:
            if isinstance(inner, yaml.SequenceEndEvent):
                break
            children[len(children)] = self._node(inner, events, depth + 1)
        if opaque is not None:
            return Node(opaque, position)
        size = 1 + sum(child.size for child in children.values())
        return Node([child.value for child in children.values()], position, children, {}, size)

    def _mapping(self, event: Any, events: Iterator[Any], position: Position, depth: int) -> Node:
        opaque = self._collection_tag(event, "map", position)
        children: dict[str | int, Node] = {}
        keys: dict[str, Position] = {}
        merged: list[Node] = []
        for inner in events:
            if isinstance(inner, yaml.MappingEndEvent):
                break
            key, is_merge = self._key(inner, events, depth)
            value = self._node(next(events), events, depth + 1)
            if key is None:
                continue
            place = self._position(inner)
            if key in keys:
                first = keys[key].line
                self.problems.append(
                    place.problem(f"duplicate key {shown(key)}, first given in line {first}")
                )
                continue
            keys[key] = place
            if is_merge:
                merged.extend(self._merged(value))
            else:
                children[key] = value
        if opaque is not None:
            return Node(opaque, position)
        if merged:
            keys.pop("<<")
            _merge(children, keys, merged)
        size = 1 + sum(child.size for child in children.values())
        plain = {str(key): child.value for key, child in children.items()}
        return Node(plain, position, children, keys, size)

    def _key(self, event: Any, events: Iterator[Any], depth: int) -> tuple[str | None, bool]:
        """Return a key's text and whether it is a merge key; None when it is no text."""
        position = self._position(event)
        if not isinstance(event, yaml.ScalarEvent):
            node = self._node(event, events, depth + 1)
            if isinstance(node.value, str):
                return node.value, False  # an alias of text
            self.problems.append(position.problem("a key must be text"))
            return None, False
        self._count(position, 1)
        if event.anchor:
            self.anchors[event.anchor] = Node(event.value, position)
        if event.tag not in (None, "!", PLAIN + "str"):
            self._unknown_tag(event.tag, position)
        elif not event.value:
            self.problems.append(position.problem("a key is empty"))
            return None, False
        return event.value, event.implicit[0] and event.value == "<<"

    def _merged(self, value: Node) -> list[Node]:
        several = list(value.children.values()) if isinstance(value.value, list) else [value]
        for node in several:
            if not isinstance(node.value, dict):
                self.problems.append(node.problem(f"`<<` merges mappings, got {shown(node.value)}"))
        return [node for node in several if isinstance(node.value, dict)]


def _merge(children: dict[str | int, Node], keys: dict[str, Position], merged: list[Node]) -> None:
    for node in merged:
        for key, child in node.items():
            if key not in children:
                children[key] = child
                keys[key] = node.key(key)
