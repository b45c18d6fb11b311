# SPDX-License-Identifier: Apache-2.0
"""The fault table on real kernels (`make test-faults`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest

from tests.faults.conftest import Session
from tests.faults.guest import Guest, codes, times, wait_for
from tests.faults.judge import Look, Result, judge
from tests.faults.report import told
from tests.faults.rows import Row, rows
from tests.faults.run import PROPERTY
from tests.faults.states import is_at
from tests.faults.turns import turn

_ARRIVALS = 3

pytestmark = [pytest.mark.lab, pytest.mark.faults]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.key)
def test_a_host_comes_through(
    row: Row, session: Session, record_property: Callable[[str, object], None]
) -> None:
    with turn(alone=row.saturates):
        guest = session.guest_for(row)
        result = run(row, guest)
        guest.pause()
    record_property(PROPERTY, asdict(told(result)))
    if row.outside and not result.as_expected:
        pytest.xfail(row.outside)
    assert result.loss == ""
    assert result.seen in row.outcomes
    assert result.as_expected, (result.why, result.late)


def arrive(guest: Guest, moment: str) -> Look:
    """Go to the moment; once more when the guest is not there: a trial's deadline may have passed."""
    for _ in range(_ARRIVALS):
        guest.restore(moment)
        look = guest.look()
        if look is not None and is_at(moment, look):
            return look
    raise AssertionError(f"the guest does not come to {moment}: {look}")


def run(row: Row, guest: Guest) -> Result:
    """Bring the guest to the row's moment, inject the fault, and wait for what must come of it."""
    before = arrive(guest, row.moment)
    output = guest.run(row.script)
    at, answered = times(output), codes(output)
    if row.machine == "reset":
        guest.reset()
    elif row.machine == "sessions":
        answered += sorted(set(codes(guest.sessions())))

    def met(after: Look) -> bool:
        return judge(row, before, after, at, answered).as_expected

    return judge(row, before, wait_for(guest, row, met), at, answered)
