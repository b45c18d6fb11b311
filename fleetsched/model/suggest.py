# SPDX-License-Identifier: Apache-2.0
"""The "did you mean" of every message about a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Names are listed in full up to this many; more would hide the message.
_MOST_LISTED = 6


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant.

    Returns:
        `; did you mean "web"?`, or the known names when they are few and none is near, or an empty string.
    """
    names = sorted(set(known))
    folded = {candidate.casefold().replace("-", "_"): candidate for candidate in names}
    near = difflib.get_close_matches(name.casefold().replace("-", "_"), folded, n=1, cutoff=0.6)
    if near:
        return f'; did you mean "{folded[near[0]]}"?'
    if 0 < len(names) <= _MOST_LISTED:
        return f"; known: {', '.join(names)}"
    return ""
