# SPDX-License-Identifier: Apache-2.0
"""How well the median of some runs is known, from the order of their numbers alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.95
MIN_BLOCKS = 6
"""With fewer runs no interval of a median is one of 95 %: all lie on one side of it in 2 / 2^n of cases."""


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return an interval of at least 95 % for the median, whatever the distribution.

    It is infinite for less than `MIN_BLOCKS` numbers.
    """
    ordered, count = sorted(values), len(values)
    outside, below = 0.0, 0  # how likely fewer than `below` of the numbers are on one side of the median
    while (more := outside + math.comb(count, below) / 2**count) <= (1 - CONFIDENCE) / 2:
        outside, below = more, below + 1
    if below == 0:
        return -math.inf, math.inf
    return ordered[below - 1], ordered[count - below]
