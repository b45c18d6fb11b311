# SPDX-License-Identifier: Apache-2.0
"""Counts and long lists in words."""

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
