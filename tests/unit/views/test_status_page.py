# SPDX-License-Identifier: Apache-2.0
"""The views of the status page: golden content, and that whatever is filled in stays text."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fleetsched.model.cycle import Event, Kind
from fleetsched.model.plan import Observed
from fleetsched.model.standing import Condition, HostStanding, Live, Standing, groups_of
from fleetsched.views.page import pages
from fleetsched.views.page.render import PER_PAGE
from tests.unit.views.standings import AT, REVISION, standing

GOLDEN = Path(__file__).parent / "golden"


def content(page: str | None) -> str:
    """What is in <main>, a line each."""
    assert page is not None
    found = re.search(r'<main id="content">(.*)</main>', page, re.DOTALL)
    assert found
    return "\n".join(line.rstrip() for line in found[1].splitlines() if line.strip()) + "\n"


VIEWS: dict[str, Callable[[Standing], str | None]] = {
    "overview": pages.overview_page,
    "group": lambda value: pages.group_page(value, "web", 1),
    "host": lambda value: pages.host_page(value, "cache-1"),
    "rollouts": lambda value: pages.rollouts_page(value, 1),
    "drift": lambda value: pages.condition_page(value, Condition.DRIFT, 1),
    "held": lambda value: pages.condition_page(value, Condition.HELD, 1),
    "history": lambda value: pages.history_page(value, 1),
    "policies": lambda value: pages.policies_page(value, {}),
    "missing": lambda value: pages.missing_page(value, "host x"),
}


@pytest.mark.parametrize("name", ["overview", "group", "host", "rollouts", "history"])
def test_a_view_reads_as_agreed(name: str) -> None:
    assert content(VIEWS[name](standing())) == (GOLDEN / f"page-{name}.html").read_text(encoding="utf-8")


def test_every_condition_has_a_sign_and_a_word_of_its_own() -> None:
    conditions = {host.condition for host in standing().hosts.values()}
    assert conditions == set(Condition)
    overview = pages.overview_page(standing())
    for condition in Condition:
        assert f"</span> {condition}</span>" in overview


def test_a_host_or_group_that_is_not_there_has_no_page() -> None:
    assert (pages.host_page(standing(), "web-9"), pages.group_page(standing(), "webb", 1)) == (None, None)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_before_the_first_cycle_every_view_says_so(view: Callable[[Standing], str | None]) -> None:
    page = view(Standing())
    assert page is None or "the first cycle is under way" in page


HOSTILE = "<script>alert(1)</script>\" onload='x' {{ 7 * 7 }} \x1b[2J\u202e</title><a href=javascript:x>&amp;"


class Tags(HTMLParser):
    """Collects tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile() -> Standing:
    """Everything that hosts, manifests or commits may say is hostile."""
    good = standing()
    one = good.hosts["cache-1"]
    status = one.observed.status
    assert status
    held = replace(status.held[0], why=HOSTILE, exit=None, at=HOSTILE)
    seen = Observed(status=replace(status, held=(held,), foreign=HOSTILE), facts=one.observed.facts)
    desired = replace(one.plan.desired, goal=HOSTILE, group=HOSTILE)
    plan = replace(one.plan, host=HOSTILE, desired=desired, reason=HOSTILE, problem=HOSTILE, before=HOSTILE)
    hosts = {
        HOSTILE: HostStanding(plan, seen, Condition.HELD),
        "drifted": HostStanding(plan, seen, Condition.DRIFT),
    }
    event = Event(AT, Kind.ERROR, REVISION, HOSTILE, f"{HOSTILE}\n{HOSTILE}", (HOSTILE,))
    return replace(
        good,
        subject=HOSTILE,
        words=HOSTILE,
        hosts=hosts,
        groups=groups_of(hosts),
        events=(event,),
        live=(Live(HOSTILE, HOSTILE, HOSTILE, AT),),
    )


HOSTILE_VIEWS = VIEWS | {
    "group": lambda value: pages.group_page(value, HOSTILE, 1),
    "host": lambda value: pages.host_page(value, HOSTILE),
    "missing": lambda value: pages.missing_page(value, HOSTILE),
}


@pytest.mark.parametrize("name", HOSTILE_VIEWS)
def test_hostile_text_stays_text(name: str) -> None:
    page = HOSTILE_VIEWS[name](hostile())
    assert page is not None
    tags = Tags()
    tags.feed(page)
    plain = Tags()
    plain.feed(str(VIEWS["overview"](standing())))
    assert tags.found.count(("script", ("src", "defer"))) == 1
    assert [tag for tag in tags.found if tag[0] == "script" and tag[1] != ("src", "defer")] == []
    assert [
        tag for tag in tags.found if any(name.startswith("on") or name == "style" for name in tag[1])
    ] == []
    assert [link for link in tags.links if not re.match(r"/[a-z]*(/|\?|\.|$)|#content$", link)] == []
    assert [letter for letter in page if not letter.isprintable() and letter != "\n"] == []
    assert "<script>alert(1)</script>" in tags.text
    assert "49" not in html.unescape(page).partition("</nav>")[2].replace("{{ 7 * 7 }}", "")


def test_long_lists_are_cut_into_pages() -> None:
    one = standing()
    host = one.hosts["web-1"]
    names = [f"web-{number:03}" for number in range(250)]
    hosts = {name: replace(host, plan=replace(host.plan, host=name)) for name in names}
    many: Any = replace(one, hosts=hosts, groups=groups_of(hosts))

    def shown(number: int) -> list[str]:
        return re.findall(r'<a href="/hosts/[^"]*">(web-\d+)</a>', str(pages.group_page(many, "web", number)))

    assert (shown(1), shown(3)) == (names[:PER_PAGE], names[200:])
    assert (shown(0), shown(99)) == (shown(1), shown(3))
    second = str(pages.group_page(many, "web", 2))
    assert '<a rel="prev" href="/groups/web?page=1">' in second
    assert '<a rel="next" href="/groups/web?page=3">' in second
