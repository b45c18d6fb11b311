# SPDX-License-Identifier: Apache-2.0
"""Counts and long lists in words, and foreign text that may be shown."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, one: str, many: str = "") -> str:
    """`1 host`, `2 hosts`.

    Args:
        count: how many.
        one: what is counted, where there is one of it.
        many: the same where there are several; by itself `one` with an s.
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def listed(items: Sequence[str], most: int, between: str = ", ") -> str:
    """The first `most` of several, and how many more there are: `a, b and 3 more`."""
    more = len(items) - most
    return between.join(items[:most]) + (f" and {more} more" if more > 0 else "")


def printable(text: str, keep: str = "\n\t") -> str:
    """The text with `?` for what would not show: what steers a terminal, and what turns a text's direction.

    Args:
        text: what hosts, files or people have said.
        keep: letters that are left although they do not print.
    """
    return "".join(letter if letter.isprintable() or letter in keep else "?" for letter in text)
