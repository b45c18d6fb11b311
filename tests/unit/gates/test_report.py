# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from fleetsched.gates.report import Part, read_report
from fleetsched.model.gate import Gate

TEXT = """\
ready 19.48
part attach 21.366 enabled fair 1
event attach SCX_EV_BYPASS_ACTIVATE 1
gap attach pace 0.004
part stress 27.387 enabled fair 1
event stress SCX_EV_BYPASS_ACTIVATE 3
no-fork 28.0 Cannot allocate memory
did stress light 95
part gone 30.1 disabled - 1
half a li"""


def test_the_judges_report_is_read_line_by_line() -> None:
    report = read_report(TEXT)
    assert report.parts == (
        Part("attach", 21.366, "enabled", "fair", "1", {"SCX_EV_BYPASS_ACTIVATE": 1}),
        Part("stress", 27.387, "enabled", "fair", "1", {"SCX_EV_BYPASS_ACTIVATE": 3}),
        Part("gone", 30.1, "disabled", "-", "1"),
    )
    assert report.did == {"stress": {"light": 95}}
    assert report.gaps_s == {"attach": {"pace": 0.004}}
    assert report.complaints == ("no-fork 28.0 Cannot allocate memory",)
    assert report.grown("attach", "stress") == {"SCX_EV_BYPASS_ACTIVATE": 2}
    assert report.grown("stress", "hotplug") == {}


def test_a_moment_belongs_to_the_part_that_had_begun() -> None:
    report = read_report(TEXT)
    assert [report.gate_at(at_s) for at_s in (3, 22, 27.5, 31)] == [
        Gate.ATTACH,
        Gate.ATTACH,
        Gate.STRESS,
        Gate.STRESS,
    ]


def test_nothing_written_is_nothing_read() -> None:
    assert read_report("").parts == ()
    assert read_report("").gate_at(12.0) is Gate.ATTACH
