# SPDX-License-Identifier: Apache-2.0
"""Rows of two guests side by side: some have the machine for themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

from tests.faults.rows import rows
from tests.faults.turns import turn


def test_rows_run_side_by_side(tmp_path: Path) -> None:
    together = Barrier(2)

    def run() -> int:
        with turn(alone=False, folder=tmp_path):
            return together.wait(timeout=60)

    with ThreadPoolExecutor(2) as executor:
        assert sorted(future.result() for future in [executor.submit(run) for _ in range(2)]) == [0, 1]


def test_who_is_to_be_alone_waits_for_the_others(tmp_path: Path) -> None:
    began, may_end = Event(), Event()
    order: list[str] = []

    def run(name: str, *, alone: bool) -> None:
        with turn(alone=alone, folder=tmp_path):
            began.set()
            if name == "first":
                may_end.wait(timeout=60)
            order.append(name)

    with ThreadPoolExecutor(2) as executor:
        first = executor.submit(run, "first", alone=False)
        assert began.wait(timeout=60)
        second = executor.submit(run, "second", alone=True)
        assert not second.done()
        may_end.set()
        first.result()
        second.result()
    assert order == ["first", "second"]


def test_the_rows_that_are_alone_are_those_that_leave_a_guest_no_time() -> None:
    assert {row.fault for row in rows() if row.saturates} == {
        "two fork bombs",
        "a SCHED_FIFO hog on all CPUs but one",
        "SCHED_FIFO hogs on all CPUs for 8 s",
        "program becomes a fork bomb",
    }
