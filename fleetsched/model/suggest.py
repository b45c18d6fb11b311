# SPDX-License-Identifier: Apache-2.0
"""The "did you mean" of every message about a name that is not known."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache

# Names are listed in full up to this many; more would hide the message.
_MOST_LISTED = 6
# Comparing two names takes some 10 us: of thousands only those are compared that begin or end alike, so that
# thousands of mistakes are told in seconds.
_MOST_COMPARED = 40


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant.

    Returns:
        `; did you mean "web"?`, or the known names when they are few and none is near, or an empty string.
    """
    names = frozenset(known)
    index = _index(names)
    near = difflib.get_close_matches(_folded(name), index.near(_folded(name)), n=1, cutoff=0.6)
    if near:
        return f'; did you mean "{index.written[near[0]]}"?'
    if 0 < len(names) <= _MOST_LISTED:
        return f"; known: {', '.join(sorted(names))}"
    return ""


def _folded(name: str) -> str:
    return name.casefold().replace("-", "_")


class _Index:
    """Names in an order in which those that begin alike, or end alike, are neighbours."""

    def __init__(self, names: frozenset[str]) -> None:
        self.written = {_folded(name): name for name in sorted(names)}
        self._forwards = sorted(self.written)
        self._backwards = sorted(name[::-1] for name in self.written)

    def near(self, name: str) -> list[str]:
        """List the names worth a comparison: all when they are few."""
        if len(self._forwards) <= _MOST_COMPARED:
            return self._forwards
        backwards = _around(self._backwards, name[::-1])
        return sorted({*_around(self._forwards, name), *(each[::-1] for each in backwards)})


_index = lru_cache(maxsize=16)(_Index)


def _around(names: Sequence[str], name: str) -> Sequence[str]:
    middle = bisect_left(names, name)
    return names[max(0, middle - _MOST_COMPARED // 2) : middle + _MOST_COMPARED // 2]
