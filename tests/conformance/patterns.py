# SPDX-License-Identifier: Apache-2.0
"""Matching an answer against a pattern of the table: where and why it differs, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def differences(pattern: Any, found: Any, where: str = "") -> Iterator[str]:
    """Yield one line for each place where `found` is not what `pattern` wants."""
    if isinstance(pattern, Mapping):
        word = next(iter(pattern), None)
        if isinstance(word, str) and word.startswith("$"):
            yield from _operator(word, pattern[word], found, where)
        else:
            yield from _mapping(pattern, found, where)
    elif isinstance(pattern, list):
        yield from _list(pattern, found, where)
    elif isinstance(pattern, str) and pattern in _WORDS:
        if not _WORDS[pattern](found):
            yield f"{where}: {found!r} is not {pattern}"
    elif type(pattern) is not type(found) or pattern != found:
        yield f"{where}: {found!r} is not {pattern!r}"


def _is_integer(value: Any) -> bool:
    return type(value) is int


_WORDS = {
    "$any": lambda _: True,
    "$text": lambda value: isinstance(value, str) and value != "",
    "$positive": lambda value: _is_integer(value) and value > 0,
}


def _mapping(pattern: Mapping[str, Any], found: Any, where: str) -> Iterator[str]:
    if not isinstance(found, Mapping):
        yield f"{where}: {found!r} is no object"
        return
    for key, wanted in pattern.items():
        if key in found:
            yield from differences(wanted, found[key], f"{where}.{key}")
        else:
            yield f"{where}: there is no {key}"


def _list(pattern: Sequence[Any], found: Any, where: str) -> Iterator[str]:
    if not isinstance(found, list) or len(found) != len(pattern):
        yield f"{where}: {found!r} is no list of {len(pattern)}"
        return
    for number, (wanted, value) in enumerate(zip(pattern, found, strict=True)):
        yield from differences(wanted, value, f"{where}[{number}]")


def _operator(word: str, wanted: Any, found: Any, where: str) -> Iterator[str]:
    match word:
        case "$at-least":
            right = _is_integer(found) and found >= wanted
        case "$more-than":
            right = _is_integer(found) and found > wanted
        case "$between":
            right = _is_integer(found) and wanted[0] <= found <= wanted[1]
        case "$matches":
            right = isinstance(found, str) and re.search(wanted, found) is not None
        case "$contains":
            right = isinstance(found, list) and _contains(wanted, found)
        case "$each":
            right = isinstance(found, list) and bool(found)
            for number, value in enumerate(found):
                yield from differences(wanted, value, f"{where}[{number}]")
        case "$null-or":
            right = True
            if found is not None:
                yield from differences(wanted, found, where)
        case "$exactly":
            right = isinstance(found, Mapping) and found.keys() == wanted.keys()
            yield from differences(wanted, found, where)
        case _:
            raise ValueError(f"the table uses {word}, which does not exist")
    if not right:
        yield f"{where}: {found!r} is not {word} {wanted!r}"


def _contains(wanted: Sequence[Any], found: Sequence[Any]) -> bool:
    rest = iter(found)
    return all(any(not list(differences(pattern, value)) for value in rest) for pattern in wanted)
