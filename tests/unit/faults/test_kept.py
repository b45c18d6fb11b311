# SPDX-License-Identifier: Apache-2.0
"""An interrupted run of the fault table goes on where it stopped, and never with what has changed since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.faults import kept
from tests.faults.judge import Result
from tests.faults.report import cells
from tests.faults.rows import Outcome, Row

ROW = Row("helper killed", "trial", "", "6.18", "fault", "", (Outcome("good"),), 1.0, "", (), "")
DONE = Result(ROW, Outcome("good"), None, False, (), (), "")
LOST = Result(replace(ROW, fault="another"), Outcome("good"), None, False, (), (), "gone")


def test_rows_that_went_well_are_kept_and_others_are_not(tmp_path: Path) -> None:
    file = tmp_path / "build" / "rows.json"
    assert kept.add([DONE, LOST], file) == {kept.digest(ROW): cells(DONE)} == kept.load(file)
    assert kept.add([], file) == kept.load(file)
    kept.forget(file)
    assert kept.load(file) == {}


def test_a_row_that_has_changed_is_another() -> None:
    assert kept.digest(replace(ROW, script="fault; signal KILL")) != kept.digest(ROW)
