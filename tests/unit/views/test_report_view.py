# SPDX-License-Identifier: Apache-2.0
"""The page about a policy: what it says, and that it needs nothing but itself."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fleetsched.model.observation import buckets_of
from fleetsched.views.plots import distribution_plot, samples_plot
from fleetsched.views.report import report_html
from tests.unit.dossiers import BARE, MEASURED
from tests.unit.experiments import metric

GOLDEN = Path(__file__).parent / "golden"
SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)
WITHOUT_END = {"meta", "br", "path", "circle", "rect"}


class Outline(HTMLParser):
    """The text of a page without its pictures, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: set[str] = set()
        self.lines: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in WITHOUT_END:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in WITHOUT_END:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and not {"style", "svg"} & set(self.open):
            self.lines.append(" ".join(data.split()))


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    assert found.open == []
    return found


def test_the_page_says_what_was_agreed() -> None:
    lines = outline(report_html(MEASURED)).lines
    assert "\n".join(lines) + "\n" == (GOLDEN / "report.txt").read_text()


def test_a_policy_of_which_nothing_is_known_says_so() -> None:
    lines = outline(report_html(BARE)).lines
    assert lines[1:3] == ["bare", "nothing <special>"]
    assert lines.count("Nothing was measured.") == 2
    assert "No verdict of the gates is recorded for this object." in lines
    assert "There is no evidence of this policy as it is locked." in lines


def test_the_page_needs_nothing_else() -> None:
    page = report_html(MEASURED)
    found = outline(page)
    assert not found.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not [name for name, _ in found.attributes if name in ("src", "href", "style") or name[:2] == "on"]
    assert "url(" not in page
    assert "@import" not in page
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_every_picture_is_described_and_named_once() -> None:
    page = report_html(MEASURED)
    pictures = [ElementTree.fromstring(text) for text in SVG.findall(page)]
    assert len(pictures) == 8  # seven metrics and a distribution
    for picture in pictures:
        title, said = picture[0], picture[1]
        assert (title.tag, said.tag, picture.get("role")) == ("title", "desc", "img")
        assert picture.get("aria-labelledby") == f"{title.get('id')} {said.get('id')}"
        assert title.text
        assert said.text
    names = re.findall(r' id="([^"]+)"', page)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "{{ 1 + 1 }}"])
def test_what_is_written_elsewhere_is_text_here(text: str) -> None:
    hostile = metric("completion_time_s", 12, 10, unit=text)
    assert text not in samples_plot(hostile, "plot") or "<" not in text
    ElementTree.fromstring(samples_plot(hostile, "plot"))


@pytest.mark.parametrize("values", [(5.0, 5.0), (0.0, 0.0), (-3.0, 2.0), (1e-9, 2e-9), (1e12, 3e12)])
def test_any_range_can_be_drawn(values: tuple[float, float]) -> None:
    drawn = replace(metric("m", 1, 1), samples={"kernel-default": values, "candidate": values[::-1]})
    picture = ElementTree.fromstring(samples_plot(drawn, "plot"))
    across = [float(each.attrib["cx"]) for each in picture.iter("circle")]
    assert len(across) == 2
    assert all(0 <= x <= 340 for x in across)


def test_an_axis_that_does_not_begin_at_nothing_says_so() -> None:
    assert "the axis does not begin at 0" in samples_plot(metric("m", 1000, 1001), "plot")
    assert "the axis does not begin at 0" not in samples_plot(metric("m", 10, 1000), "plot")


def test_a_distribution_of_one_bucket_can_be_drawn() -> None:
    picture = distribution_plot("wakeup_latency", {"candidate": buckets_of([5000])}, "waits")
    ElementTree.fromstring(picture)
    assert "kernel's own" not in picture
