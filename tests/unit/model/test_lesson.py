# SPDX-License-Identifier: Apache-2.0
"""Lessons are one line each, and those that concern a task are found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleetsched.model.lesson import MOST_WHY, Lesson, one_line, relevant

BUSY = {"wake_rate": 10_000.0, "cpu_utilisation": 100.0}
IDLE = {"wake_rate": 5.0, "cpu_utilisation": 1.0}
LESSON = Lesson("hackbench", "6.18", "fair", "worse", "it lost", "2026-01-02", "p99", BUSY)


@pytest.mark.parametrize(
    ("lesson", "concerns"),
    [
        (LESSON, True),
        (replace(LESSON, workload="other"), True),
        (replace(LESSON, workload="other", features={}), True),
        (replace(LESSON, workload="other", features=IDLE), False),
        (replace(LESSON, workload="other", objective="p50"), False),
        (replace(LESSON, objective="p50", features=IDLE), True),
    ],
)
def test_a_lesson_concerns_the_same_workload_or_the_same_wish_for_like_work(
    lesson: Lesson, concerns: bool
) -> None:
    found = relevant([lesson], workload="hackbench", objective="p99", features=BUSY)
    assert found == ((lesson,) if concerns else ())


def test_the_newest_come_first_and_no_more_than_asked() -> None:
    days = ["2026-01-02", "2026-03-04", "2026-03-04", "2026-02-03"]
    lessons = [replace(LESSON, at=day, why=str(place)) for place, day in enumerate(days)]
    found = relevant(lessons, workload="hackbench", objective="p99", features={}, most=3)
    assert [lesson.why for lesson in found] == ["2", "1", "3"]


def test_a_reason_is_one_short_printable_line() -> None:
    assert one_line("a\x1b[2J\n b\t\u202e c") == "a [2J b c"
    assert len(one_line("x" * 500)) == MOST_WHY
