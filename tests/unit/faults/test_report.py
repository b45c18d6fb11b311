# SPDX-License-Identifier: Apache-2.0
"""The fault table as people read it."""

from __future__ import annotations

from dataclasses import asdict

import execnet
import pytest

from tests.faults.judge import Result
from tests.faults.report import BEGIN, END, Provenance, Told, text_table, told, with_lines
from tests.faults.rows import Outcome, Row

KILLED = Row("helper killed", "trial", "", "6.18", "fault", "", (), 1.0, "", (), "")
RESULTS = [
    Result(
        KILLED, Outcome("good", events=("lost", "reattached"), trial="lost"), 2345, False, ("",), (), "gone"
    ),
    Result(
        Row("hogs", "confirmed", "trial | late", "7.3", "fault", "", (), 1.0, "", (), "no promise"),
        Outcome("kernel", untouched=True),
        None,
        False,
        (),
        (),
        "",
    ),
]
TOLD = list(map(told, RESULTS))
LINES = [row.line for row in TOLD]
TESTED = Provenance("2026-01-02", "0123456789ab+", ("6.18.15", "7.3.4"), "h" * 64, "r" * 64)


def test_the_terminal_gets_columns_and_below_them_what_went_wrong() -> None:
    assert text_table(TOLD).splitlines()[:5] == [
        "moment        fault          kernel  the host ran after  after       why, by its history  verdict",
        "trial         helper killed  6.18    last known good     2.3 s       lost, reattached     LOSS",
        "trial | late  hogs           7.3     kernel's own        never left  nothing to tell      "
        "outside: no promise",
        "LOSS: 6.18 | trial | helper killed",
        "  gone",
    ]


def test_a_row_that_was_lost_is_not_done() -> None:
    assert [(row.key, row.settled) for row in TOLD] == [
        ("6.18 | trial | helper killed", False),
        ("7.3 | trial | late | hogs", True),
    ]


def test_what_is_told_of_a_row_goes_from_process_to_process() -> None:
    assert [Told(**execnet.loads(execnet.dumps(asdict(row)))) for row in TOLD] == TOLD


def test_the_document_gets_the_table_between_its_markers() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    written = with_lines(document, LINES, TESTED)
    assert written.splitlines() == [
        "before",
        BEGIN,
        "",
        "2026-01-02, commit 0123456789ab+, kernels 6.18.15 and 7.3.4 under emulation, "
        f"helper sources `{'h' * 64}`, rows `{'r' * 64}`. 2 rows, 0 ok.",
        "",
        "| moment | fault | kernel | the host ran after | after | why, by its history | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| trial | helper killed | 6.18 | last known good | 2.3 s | lost, reattached | LOSS |",
        "| trial \\| late | hogs | 7.3 | kernel's own | never left | nothing to tell | outside: no promise |",
        "",
        END,
        "after",
    ]
    assert with_lines(written, LINES, TESTED) == written


def test_a_document_without_markers_is_left_alone() -> None:
    with pytest.raises(ValueError, match="the markers are missing"):
        with_lines("text", LINES, TESTED)
