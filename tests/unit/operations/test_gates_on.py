# SPDX-License-Identifier: Apache-2.0
"""Policies on their way to the gates, each with the parameters that its goals give it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleetsched.gates.cascade import Wanted
from fleetsched.model.gate import GateReport, Judged
from fleetsched.operations.verify import gates_on


def test_what_is_set_alike_shares_machines_and_each_gets_its_report(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def run_gates(folders: list[Path], wanted: Wanted, say: Any) -> list[GateReport]:
        asked.append(([folder.name for folder in folders], wanted))
        return [GateReport(each.name, wanted.variant or "", "", (), wanted.parameters) for each in folders]

    monkeypatch.setattr("fleetsched.gates.cascade.run_gates", run_gates)
    slow = {"slice_us": 20_000}
    judged = [Judged(Path("fair")), Judged(Path("fair"), "default", slow), Judged(Path("pack"))]
    reports = gates_on(judged, (), print)
    assert [(each.policy, each.parameters) for each in reports] == [
        ("fair", {}),
        ("fair", slow),
        ("pack", {}),
    ]
    assert asked == [
        (["fair", "pack"], Wanted(("6.18",), variant="default")),
        (["fair"], Wanted(("6.18",), variant="default", parameters=slow)),
    ]
