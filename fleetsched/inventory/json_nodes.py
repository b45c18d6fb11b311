# SPDX-License-Identifier: Apache-2.0
"""JSON to nodes, with the place of every value, which no library keeps.

A YAML reader will not do: it refuses tabs between values and characters escaped in two halves, and takes 1e5
for text. What `ansible-inventory` writes for encrypted and for never templated values is understood.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from typing import Any, NoReturn

from fleetsched.documents.node import Node, Opaque, shown
from fleetsched.documents.reader import Limits, Reading
from fleetsched.errors import Problem
from fleetsched.model.position import Position

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][-+]?[0-9]+)?")
_MOST_DIGITS = 400
_WORDS = {"true": True, "false": False, "null": None}
_WORD = re.compile("|".join(_WORDS))


class _StopError(Exception):
    """The text is no JSON; the problem is already noted."""


def read_json(data: bytes, name: str, *, limits: Limits) -> Reading:
    """Read one JSON value. Problems call the file `name`. Never raises, whatever the bytes."""
    if len(data) > limits.bytes:
        return Reading(problems=(Problem(name, 0, 0, f"is larger than {limits.bytes:,} bytes"),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Reading(problems=(Problem(name, 0, 0, f"not UTF-8: byte 0x{data[error.start]:02x}"),))
    reader = _Reader(text, name, limits)
    try:
        return Reading((reader.document(),), tuple(reader.problems))
    except _StopError:
        return Reading(problems=tuple(reader.problems))


class _Reader:
    def __init__(self, text: str, name: str, limits: Limits) -> None:
        self.text = text
        self.name = name
        self.limits = limits
        self.at = 0
        self.values = 0
        self.problems: list[Problem] = []
        self.lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def document(self) -> Node:
        """Read the only value."""
        node = self._value(1)
        self._skip()
        if self.at < len(self.text):
            self._stop("expected the end of the file")
        return node

    def _position(self) -> Position:
        line = bisect_right(self.lines, self.at)
        return Position(self.name, line, self.at - self.lines[line - 1] + 1)

    def _stop(self, message: str) -> NoReturn:
        self.problems.append(self._position().problem(f"not JSON: {message}"))
        raise _StopError

    def _skip(self) -> str:
        """Go to the next character that means something, and show it; empty at the end."""
        match = _SPACE.match(self.text, self.at)
        assert match is not None  # it may be empty
        self.at = match.end()
        return self.text[self.at : self.at + 1]

    def _take(self, character: str) -> None:
        found = self._skip()
        if found != character:
            self._stop(f"expected {shown(character)}, got {shown(found or None)}")
        self.at += 1

    def _value(self, depth: int) -> Node:
        first = self._skip()
        position = self._position()
        self.values += 1
        if self.values > self.limits.values:
            self._stop(f"more than {self.limits.values:,} values; make it smaller")
        if depth > self.limits.depth:
            self._stop(f"nested deeper than {self.limits.depth} levels")
        if first == "{":
            return self._mapping(position, depth)
        if first == "[":
            return self._list(position, depth)
        return Node(self._string() if first == '"' else self._scalar(), position)

    def _mapping(self, position: Position, depth: int) -> Node:
        children: dict[str | int, Node] = {}
        keys: dict[str, Position] = {}
        self.at += 1
        while self._skip() != "}":
            if keys:
                self._take(",")
                self._skip()
            place = self._position()
            key = self._string()
            if key in keys:
                first = keys[key].line
                self.problems.append(
                    place.problem(f"duplicate key {shown(key)}, first given in line {first}")
                )
            self._take(":")
            keys[key] = place
            children[key] = self._value(depth + 1)
        self.at += 1
        value = {str(key): child.value for key, child in children.items()}
        if value.keys() == {"__ansible_vault"}:
            return Node(Opaque("!vault"), position)
        if value.keys() == {"__ansible_unsafe"}:
            return Node(value["__ansible_unsafe"], position)
        return Node(value, position, children, keys)

    def _list(self, position: Position, depth: int) -> Node:
        children: dict[str | int, Node] = {}
        self.at += 1
        while self._skip() != "]":
            if children:
                self._take(",")
            children[len(children)] = self._value(depth + 1)
        self.at += 1
        return Node([child.value for child in children.values()], position, children)

    def _string(self) -> str:
        match = _STRING.match(self.text, self.at)
        if match is None:
            found = self.text[self.at : self.at + 1]
            self._stop(
                "the text is not closed or has a wrong character"
                if found == '"'
                else f"expected text in quotes, got {shown(found or None)}"
            )
        self.at = match.end()
        return str(json.loads(match[0])) if "\\" in match[0] else match[0][1:-1]

    def _scalar(self) -> Any:
        word = _WORD.match(self.text, self.at)
        if word is not None:
            self.at = word.end()
            return _WORDS[word[0]]
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            found = self.text[self.at : self.at + 1]
            self._stop(f"expected a value, got {shown(found or None)}")
        if len(match[0]) > _MOST_DIGITS:
            self._stop(f"a number of more than {_MOST_DIGITS} digits")
        is_whole = match["fraction"] is None and match["exponent"] is None
        value = int(match[0]) if is_whole else float(match[0])
        if value in (math.inf, -math.inf):
            self._stop(f"expected a finite number, got {match[0]}")
        self.at = match.end()
        return value
