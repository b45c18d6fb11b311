# SPDX-License-Identifier: Apache-2.0
"""Lessons in a fleet repository: written as they are read, bounded, each on a line of its own."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fleetsched.fleetrepo.lessons import lessons_file, lessons_text, read_lessons
from fleetsched.model.lesson import MOST_LESSONS, Lesson, one_line

LESSON = Lesson(
    "hackbench",
    "6.18",
    "fair",
    "failed",
    "gate verify: R1 invalid mem access 'scalar'",
    "2026-01-02",
    "completion_time_s",
    {"wake_rate": 12400.0, "cpu_utilisation": 71.2},
    {"slice_us": 3000, "wakers_first": True},
    "f1f1f1f1f1f1",
)


def write(root: Path, text: str) -> None:
    file = root / lessons_file("web")
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def test_lessons_are_lines_and_are_read_as_they_were_written(tmp_path: Path) -> None:
    plain = Lesson("hackbench", "6.18", "fair", "better", "by a third", "2026-01-03")
    text = lessons_text([LESSON], [plain])
    assert text == (
        "# What was tried for this goal and what came of it, the oldest first; `propose` adds to it.\n"
        '- {"at": "2026-01-02", "workload": "hackbench", "kernel": "6.18", "policy": "fair", '
        '"outcome": "failed", "why": "gate verify: R1 invalid mem access \'scalar\'", '
        '"objective": "completion_time_s", "features": {"wake_rate": 12400.0, "cpu_utilisation": 71.2}, '
        '"parameters": {"slice_us": 3000, "wakers_first": true}, "digest": "f1f1f1f1f1f1"}\n'
        '- {"at": "2026-01-03", "workload": "hackbench", "kernel": "6.18", "policy": "fair", '
        '"outcome": "better", "why": "by a third"}\n'
    )
    write(tmp_path, text)
    assert read_lessons(tmp_path) == ({"web": (LESSON, plain)}, [])


def test_what_is_learnt_again_is_told_once_and_the_oldest_go() -> None:
    again = replace(LESSON, at="2026-05-06", why="again")
    assert lessons_text([LESSON], [again]).count("\n- ") == 1
    many = [replace(LESSON, digest=f"{number:012x}") for number in range(MOST_LESSONS + 5)]
    text = lessons_text(many, [again])
    assert text.count("\n- ") == MOST_LESSONS
    assert '"why": "again"' in text.splitlines()[-1]
    assert f"{4:012x}" not in text


def test_a_wrong_file_is_a_problem_with_its_place(tmp_path: Path) -> None:
    write(
        tmp_path,
        '- {at: 2026-01-02, workload: hackbench, kernel: "6.18", policy: fair, outcome: good, why: x}\n',
    )
    lessons, problems = read_lessons(tmp_path)
    assert lessons == {}
    assert [str(problem) for problem in problems] == [
        'lessons/web.yaml:1:80: expected better or worse or similar or inconclusive or failed, got "good"'
    ]


@given(st.text(max_size=300))
def test_whatever_a_reason_says_the_file_can_be_read(why: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), lessons_text([], [replace(LESSON, why=why)]))
        lessons, problems = read_lessons(Path(folder))
    assert problems == []
    assert len(lessons["web"][0].why) <= 200
    assert one_line(lessons["web"][0].why) == lessons["web"][0].why
