# SPDX-License-Identifier: Apache-2.0
"""Templates to HTML: everything that is filled in is escaped, printable and bounded."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined
from markupsafe import Markup

from fleetsched.model.standing import Condition, Standing
from fleetsched.model.wording import printable

PER_PAGE = 100
"""Hosts or events on one page."""

_MOST_TEXT = 2000
MARKS = {
    Condition.AS_WANTED: ("\N{CHECK MARK}", "good"),
    Condition.CHANGING: ("\N{CLOCKWISE OPEN CIRCLE ARROW}", "plain"),
    Condition.DRIFT: ("\N{NOT EQUAL TO}", "bad"),
    Condition.HELD: ("\N{BLACK SQUARE}", "bad"),
    Condition.CANNOT: ("\N{BALLOT X}", "bad"),
    Condition.UNREACHABLE: ("?", "bad"),
    Condition.UNCLAIMED: ("\N{EN DASH}", "plain"),
    Condition.UNBOUND: ("\N{EN DASH}", "plain"),
}
"""A sign and a kind by condition: the sign and the word say it, the colour only helps."""


def render(template: str, standing: Standing, title: str, **values: Any) -> str:
    """Fill a page's template in.

    Args:
        template: its name without `.html.j2`.
        standing: for what every page shows.
        title: of the page; may be foreign text.
        **values: for the template itself.
    """
    counts = {
        "drift": len(standing.within(Condition.DRIFT)),
        "held": len(standing.within(Condition.HELD)),
        "rollouts": len(standing.live),
    }
    return (
        _templates()
        .get_template(f"{template}.html.j2")
        .render(standing=standing, title=title, counts=counts, marks=MARKS, **values)
    )


@cache
def _templates() -> Templates:
    return Templates(
        loader=PackageLoader("fleetsched.views.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _clean(value: Any) -> Any:
    """Nothing that steers a terminal or turns text around, and no end of it."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = value if value.isprintable() else printable(value, keep="")
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."


def pages(count: int, wanted: int) -> dict[str, int]:
    """Which part of a list a page shows: `page` and `last`, counted from 1, and the first and last index."""
    last = max(1, -(-count // PER_PAGE))
    page = min(max(1, wanted), last)
    return {"page": page, "last": last, "begin": (page - 1) * PER_PAGE, "end": page * PER_PAGE}
