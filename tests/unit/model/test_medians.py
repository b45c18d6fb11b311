# SPDX-License-Identifier: Apache-2.0
"""The interval of a median."""

from __future__ import annotations

import math

import pytest

from fleetsched.model.medians import median_interval


@pytest.mark.parametrize(
    ("count", "expected"),
    [(5, (-math.inf, math.inf)), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (10, (2, 9)), (20, (6, 15))],
)
def test_the_interval_of_a_median_is_that_of_tables(count: int, expected: tuple[float, float]) -> None:
    assert median_interval(list(range(count, 0, -1))) == expected
