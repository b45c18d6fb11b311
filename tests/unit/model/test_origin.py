# SPDX-License-Identifier: Apache-2.0
"""Which run a host's last known good came from, told from the host's own history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleetsched.model.assignment import Assignment
from fleetsched.model.origin import Origin, origin
from fleetsched.model.state import HistoryEntry, Record
from tests.unit.builders import assignment, record

NEW, OLD = assignment("new"), assignment("old", "b")
MOST = 9


def at(number: int) -> str:
    return f"2026-01-02T03:04:{number:02}Z"


def history(*events: tuple[str, str, Assignment]) -> list[HistoryEntry]:
    """Entries a second apart: event, run, assignment."""
    return [
        HistoryEntry(at(number), "boot", number, event, what, run, None, "")
        for number, (event, run, what) in enumerate(events)
    ]


def by(run: str, what: Assignment = NEW) -> Record:
    return replace(record(what), run=run)


FIRST = ("service-start", "", NEW)


@pytest.mark.parametrize(
    ("events", "run", "previous", "expected"),
    [
        pytest.param(
            [("confirm", "r1", OLD), ("try", "r2", NEW), ("attached", "r2", NEW), ("confirm", "r2", NEW)],
            "r2",
            by("r1", OLD),
            Origin("r2", at(3)),
            id="the run that replaced another",
        ),
        pytest.param(
            [("confirm", "r1", OLD), ("confirm", "r2", NEW), ("detached", "", NEW), ("confirm", "r3", NEW)],
            "r3",
            by("r1", OLD),
            Origin("r2", at(1), ("r3",)),
            id="healed since",
        ),
        pytest.param(
            [FIRST, ("confirm", "r1", NEW), ("confirm", "r2", NEW), ("confirm", "r3", NEW)],
            "r3",
            None,
            Origin("r1", at(1), ("r3", "r2")),
            id="the first of the host, healed twice",
        ),
        pytest.param(
            [("confirm", "r1", NEW), ("stop", "", NEW), ("confirm", "r2", NEW)],
            "r2",
            by("r1"),
            Origin("r2", at(2)),
            id="stopped, then wanted again",
        ),
        pytest.param(
            [("confirm", "r1", NEW), ("voided", "r1", NEW), ("released", "", NEW), ("confirm", "r2", NEW)],
            "r2",
            None,
            Origin("r2", at(3)),
            id="ejected, then tried again",
        ),
        pytest.param(
            [("confirm", "r1", OLD), ("confirm", "r2", NEW), ("confirm", "r3", OLD)],
            "r3",
            by("r2"),
            Origin("r3", at(2)),
            id="rolled back",
        ),
        pytest.param(
            [("confirm", "r1", OLD), ("confirm", "r2", NEW), ("confirm", "r2", OLD)],
            "r2",
            by("r2"),
            Origin("r2", at(2)),
            id="rolled back by the run that brought it",
        ),
        pytest.param(
            [("confirm", "r0", OLD), ("confirm", "r1", NEW), ("confirm", "r2", NEW), ("confirm", "r3", NEW)],
            "r3",
            by("r1"),
            Origin("r2", at(2), ("r3",)),
            id="other arguments of a program, then healed",
        ),
        pytest.param(
            [("confirm", "r2", NEW), ("confirm", "r3", NEW)],
            "r3",
            by("r1", OLD),
            Origin("r2", "", ("r3",)),
            id="its beginning is turned over",
        ),
        pytest.param(
            [("confirm", "r2", NEW)] * (MOST - 1) + [("confirm", "r3", NEW)],
            "r3",
            None,
            Origin("r2", "", ("r3",) + ("r2",) * (MOST - 2)),
            id="the beginning was not given",
        ),
        pytest.param([], "r3", by("r1", OLD), Origin("r3", "2026-01-02T03:04:05Z"), id="no history"),
        pytest.param(
            [("confirm", "r2", NEW)],
            "r3",
            by("r1", OLD),
            Origin("r3", "2026-01-02T03:04:05Z"),
            id="a history that lost its end",
        ),
    ],
)
def test_last_known_good_comes_from_the_first_run_that_confirmed_it(
    events: list[tuple[str, str, Assignment]], run: str, previous: Record | None, expected: Origin
) -> None:
    last = by(run, events[-1][2]) if events else by(run)
    assert origin(last, previous, history(*events), MOST) == expected
