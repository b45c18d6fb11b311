# SPDX-License-Identifier: Apache-2.0
"""Text in lines of 80 columns, as the pages about policies and about what was measured have it."""

from __future__ import annotations

import textwrap

from fleetsched.views.plan import WIDTH

_LABEL_WIDTH = 12


def fill(text: str, first: str, rest: str | None = None) -> str:
    """Fill lines; the first begins with `first`, the others with `rest`, or like the first."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
        break_long_words=False,
    )


def labelled(label: str, text: str) -> str:
    """Fill lines behind a label, which has a column of its own."""
    return fill(text, f"  {label:{_LABEL_WIDTH}}", " " * (_LABEL_WIDTH + 2))
