# SPDX-License-Identifier: Apache-2.0
"""Lessons as they lie in a fleet repository: `lessons/GOAL.yaml`, a list with one line a lesson.

One file a goal: a goal has one proposal at most, so no two proposals change the same file. What files say was
written by others: it is bounded, and stays data wherever it goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fleetsched.documents.check import check
from fleetsched.documents.reader import Limits, read_file
from fleetsched.errors import Problem
from fleetsched.model.lesson import MOST_LESSONS, Lesson

LESSONS_FOLDER = "lessons"
_LIMITS = Limits(bytes=256 * 1024, values=20_000)
_HEAD = "# What was tried for this goal and what came of it, the oldest first; `propose` adds to it.\n"


def lessons_file(goal: str) -> str:
    """Where a goal's lessons are, below the fleet repository's folder."""
    return f"{LESSONS_FOLDER}/{goal}.yaml"


def read_lessons(root: Path) -> tuple[dict[str, tuple[Lesson, ...]], list[Problem]]:
    """Read every goal's lessons, the oldest first, by the goal's name, and every mistake in their files."""
    lessons: dict[str, tuple[Lesson, ...]] = {}
    problems: list[Problem] = []
    for file in sorted((root / LESSONS_FOLDER).glob("*.yaml")):
        name = f"{LESSONS_FOLDER}/{file.name}"
        reading = read_file(file, name, limits=_LIMITS)
        wrong = list(reading.problems)
        wrong += [extra.problem("only one document may stand here") for extra in reading.documents[1:]]
        for document in reading.documents[:1]:
            wrong += reading.unnamed(check(document, "lessons"))
            if not wrong:
                lessons[file.stem] = tuple(map(Lesson.from_wire, document.value))
        problems += wrong
    return lessons, problems


def lessons_text(before: Iterable[Lesson], added: Iterable[Lesson]) -> str:
    """The file's text after lessons were added; beyond `MOST_LESSONS` the oldest go.

    What was learnt before and is learnt again the same is told once, with its newer day.
    """
    kept = {_identity(lesson): lesson for lesson in before}
    for lesson in added:
        kept.pop(_identity(lesson), None)
        kept[_identity(lesson)] = lesson
    lines = [f"- {_line(lesson.to_wire())}\n" for lesson in [*kept.values()][-MOST_LESSONS:]]
    return _HEAD + ("".join(lines) or "[]\n")


def _identity(lesson: Lesson) -> str:
    said = lesson.to_wire()
    return _line({name: said[name] for name in said if name not in ("at", "why", "features")})


def _line(value: Mapping[str, Any]) -> str:
    # JSON in ASCII is YAML; characters beyond 16 bits would be two escapes, which YAML is not.
    plain = json.loads(json.dumps(value), parse_float=lambda number: round(float(number), 3))
    text = json.dumps(plain, ensure_ascii=False)
    return "".join(letter if letter.isascii() else "?" for letter in text)
