# SPDX-License-Identifier: Apache-2.0
"""The simulated helper keeps to the table that every helper keeps to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.runner import case_id, cases, run_case
from tests.conformance.simulation import SimulatedAdapter


@pytest.mark.parametrize("case", cases(), ids=case_id)
def test_simulated_helper(case: dict[str, Any]) -> None:
    run_case(case, SimulatedAdapter())
