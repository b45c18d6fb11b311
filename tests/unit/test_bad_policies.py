# SPDX-License-Identifier: Apache-2.0
"""Each bad policy through the gates that need no kernel: stopped by its own, or left to a kernel."""

from __future__ import annotations

import pytest

from fleetsched.build import render
from fleetsched.build.lock import LOCK_FILE
from fleetsched.gates.cascade import Wanted, run_gates
from fleetsched.model.gate import Gate, GateReport, GateVerdict
from tests.policies.page import PAGE, page
from tests.policies.table import BAD, BEFORE_ANY_KERNEL, FOLDER, BadPolicy

EARLY = [row for row in BAD if row.gate in BEFORE_ANY_KERNEL]
LATE = [row for row in BAD if row.gate not in BEFORE_ANY_KERNEL]


def name(row: BadPolicy) -> str:
    return row.name


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A template that is never done is ended after a second of its time."""
    monkeypatch.setitem(render.LIMITS, "cpu_s", 1)


def reports(row: BadPolicy) -> list[GateReport]:
    """One for each variant."""
    return run_gates([row.folder], Wanted((), until=Gate.INSPECT), print)


@pytest.mark.parametrize("row", EARLY, ids=name)
def test_it_is_stopped_by_its_gate_for_its_fault(row: BadPolicy) -> None:
    found = [stop for report in reports(row) if (stop := report.stopped_by) is not None]
    assert [stop.gate for stop in found] == [row.gate]
    finding = found[0].findings[0]
    assert finding.code == row.code
    assert row.says in finding.message


@pytest.mark.parametrize("row", LATE, ids=name)
def test_it_is_wrong_only_for_a_kernel(row: BadPolicy) -> None:
    (report,) = reports(row)
    assert [(result.gate, result.verdict) for result in report.results] == [
        (gate, GateVerdict.PASSED) for gate in BEFORE_ANY_KERNEL
    ]


def test_every_folder_has_its_row() -> None:
    assert sorted(map(name, BAD)) == sorted(file.parent.name for file in FOLDER.glob("*/policy.yaml"))


def test_a_source_names_itself_and_the_gate_that_stops_it() -> None:
    unexplained = []
    for row in BAD:
        (source,) = row.folder.glob("*.bpf.c*")
        if source.is_symlink():
            continue
        comment = " ".join(source.read_bytes().decode().split("*/")[0].replace("\n *", " ").split())
        # Those with a lock are held by it, to the last character of their comments.
        gate = "" if (row.folder / LOCK_FILE).exists() else f"The {row.gate} gate stops it"
        if f"/* {row.name}: " not in comment or gate not in comment:
            unexplained.append(row.name)
    assert unexplained == []


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.policies.page"
