# SPDX-License-Identifier: Apache-2.0
"""Each bad policy that no check without a kernel can stop, through the gates on a real one.

What is stopped earlier is in tests/unit/test_bad_policies.py.
"""

from __future__ import annotations

import pytest

from fleetsched.gates.cascade import Wanted, run_gates
from fleetsched.model.gate import Gate, GateReport, GateVerdict
from tests.policies.table import BAD, BEFORE_ANY_KERNEL, BadPolicy

pytestmark = pytest.mark.lab

KERNEL = "6.18"
ALWAYS = ("verifier-rejects", "forbidden-cpu", "starves-quietly")
"""One a gate; the others take a quarter of an hour together."""


def _parameter(row: BadPolicy) -> object:
    return pytest.param(row, id=row.name, marks=[] if row.name in ALWAYS else [pytest.mark.matrix])


def through_the_gates(row: BadPolicy) -> GateReport:
    # From before the change of a gate there may be verdicts, and they would say nothing of it.
    wanted = Wanted((KERNEL,), until=max(row.gate, Gate.STRESS, key=list(Gate).index), cached=False)
    (report,) = run_gates([row.folder], wanted, print)
    return report


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("row", [_parameter(row) for row in BAD if row.gate not in BEFORE_ANY_KERNEL])
def test_it_is_stopped_by_its_gate_for_its_fault(row: BadPolicy) -> None:
    report = through_the_gates(row)
    verdicts = {result.gate: result.verdict for result in report.results}
    before = list(Gate)[: list(Gate).index(row.gate)]
    assert verdicts == {**dict.fromkeys(before, GateVerdict.PASSED), row.gate: GateVerdict.FAILED}
    assert report.stopped_by is not None
    finding = report.stopped_by.findings[0]
    assert finding.code == row.code
    assert row.says in finding.message
