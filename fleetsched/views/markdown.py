# SPDX-License-Identifier: Apache-2.0
"""Foreign text in Markdown that a forge renders: no mention, link, reference or markup comes out of it."""

from __future__ import annotations

import re

from fleetsched.model.wording import printable

_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9_])")
_REFERENCE = re.compile(r"(?:#|\bGH-|(?<![A-Za-z0-9])!)(?=\d)", re.I)
_LINK = re.compile(r":(?=//)|\bwww(?=\.)", re.I)
_COMMAND = re.compile(r"(?m)^(\s*)/(?=[a-z])", re.I)
_RUN = re.compile(r"`+|~{3,}")


def defused(text: str) -> str:
    """Printable text in which no forge sees a mention, a reference to an issue, a link or a command.

    So `fixes #1` closes nothing, also where it ends up in a commit's message, which knows no code spans.
    """
    text = _MENTION.sub("(at)", printable(text))
    text = _REFERENCE.sub("no. ", text)
    text = _LINK.sub(lambda found: found[0] + " ", text)
    return _COMMAND.sub(r"\1(/)", text)


def plain(text: str, most: int) -> str:
    """Foreign text as one line that no markup comes out of, for titles and lists."""
    return _line(text, most, str.maketrans("<>`[]|", "()'()/"))


def _line(text: str, most: int, instead: dict[int, int]) -> str:
    line = " ".join(defused(text).split()).translate(instead)
    return line if len(line) <= most else f"{line[: most - 3]}..."


def code(text: str, most: int = 120) -> str:
    """Foreign text as a code span, also of a table's cell."""
    line = _line(text, most, str.maketrans("`|", "'/"))
    return f"`{line}`" if line else "-"


def block(text: str, most: int, language: str = "text") -> str:
    """Foreign text as a block of code, with a fence that nothing in it closes."""
    inside = shortened(defused(text).rstrip(), most)
    longest = max((len(run) for run in _RUN.findall(inside)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{inside}\n{fence}"


def shortened(text: str, most: int) -> str:
    """Text of at most so many characters, whole lines where possible, that says when it was cut."""
    if len(text) <= most:
        return text
    note = f"\n... cut: {len(text):,} characters in all"
    kept = text[: most - len(note)]
    return kept[: kept.rfind("\n") if "\n" in kept else len(kept)] + note
