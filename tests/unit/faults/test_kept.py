# SPDX-License-Identifier: Apache-2.0
"""An interrupted run of the fault table goes on where it stopped, and never with what has changed since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.faults import kept
from tests.faults.rows import Outcome, Row

ROW = Row("helper killed", "trial", "", "6.18", "fault", "", (Outcome("good"),), 1.0, "", (), "")
OTHER = replace(ROW, fault="another")
LINE = ("trial", "helper killed", "6.18", "last known good", "2.3 s", "lost", "ok")


def test_rows_are_kept_until_a_run_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "build" / "rows.json"
    kept.add(ROW, LINE, file)
    kept.add(OTHER, LINE, file)
    assert kept.load(file) == {kept.digest(ROW): LINE, kept.digest(OTHER): LINE}
    kept.forget(file)
    assert kept.load(file) == {}


def test_a_row_that_has_changed_is_another() -> None:
    assert kept.digest(replace(ROW, script="fault; signal KILL")) != kept.digest(ROW)
