# SPDX-License-Identifier: Apache-2.0
"""Whom a lesson blames for an experiment that ended early."""

from __future__ import annotations

import pytest

from fleetsched.agent.learning import is_its_fault
from fleetsched.bench.interface import EndedError
from fleetsched.errors import HelperError
from fleetsched.model.evidence import CANDIDATE, INCUMBENT, Arm

EJECTED = HelperError("runnable task stall", code="ejected")


@pytest.mark.parametrize(
    ("error", "blamed"),
    [
        (EndedError(EJECTED, Arm(CANDIDATE, "fair"), 2), True),
        (EndedError(EJECTED, Arm(INCUMBENT, "batch"), 2), False),
        (EJECTED, True),
    ],
    ids=["candidate", "incumbent", "unsaid"],
)
def test_a_candidate_is_blamed_for_its_own_end_only(error: HelperError, blamed: bool) -> None:
    assert is_its_fault(error) is blamed
