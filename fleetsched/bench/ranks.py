# SPDX-License-Identifier: Apache-2.0
"""Whether the numbers of one arm tend to be smaller or larger than those of another, by their ranks alone.

The test is Mann and Whitney's (1947). Its distribution is exact given the ties that there are:
percentiles of the observer lie in buckets, so equal numbers are the rule, and tables for numbers without
ties would be wrong.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_EXACT_UP_TO = 50  # numbers in both arms; the counts below 2^53 are whole in a float: 50 over 25 is 1.3e14


@dataclass(frozen=True, slots=True)
class RankTest:
    """How likely ranks like these are, or more extreme ones, when the arms do not differ.

    Attributes:
        smaller: of the first arm's numbers being as small as this.
        larger: of their being as large as this.
    """

    smaller: float
    larger: float

    @property
    def two_sided(self) -> float:
        """Of their differing as much as this, either way."""
        return min(1.0, 2 * min(self.smaller, self.larger))


def rank_test(first: Sequence[float], second: Sequence[float]) -> RankTest:
    """Compare two arms of one number or more each."""
    pooled = [*first, *second]
    if min(pooled) == max(pooled):
        return RankTest(1.0, 1.0)
    if len(pooled) > _EXACT_UP_TO:
        return _approximate(first, second)
    ordered = sorted(pooled)
    # Twice the rank: equal numbers share the mean of theirs, which may end in a half.
    doubled = [bisect_left(ordered, value) + bisect_right(ordered, value) + 1 for value in pooled]
    return _exact(doubled, len(first))


def _exact(ranks: Sequence[int], count: int) -> RankTest:
    """Count every way of choosing which `count` of the ranks are the first arm's, by their sum.

    The shift algorithm of Streitberg and Röhmel (1986).
    """
    import numpy as np

    ways = np.zeros((count + 1, sum(ranks) + 1))
    ways[0, 0] = 1
    # The smallest first: sums that no ranks so far have are most of the table, and are left alone.
    reached = 0
    for number, rank in enumerate(sorted(ranks)):
        most = min(number, count - 1)
        ways[1 : most + 2, rank : reached + rank + 1] += ways[: most + 1, : reached + 1].copy()
        reached += rank
    by_sum, observed = ways[count], sum(ranks[:count])
    total = by_sum.sum()
    return RankTest(float(by_sum[: observed + 1].sum() / total), float(by_sum[observed:].sum() / total))


def _approximate(first: Sequence[float], second: Sequence[float]) -> RankTest:
    from scipy.stats import mannwhitneyu

    smaller, larger = (
        float(mannwhitneyu(first, second, alternative=side, method="asymptotic").pvalue)
        for side in ("less", "greater")
    )
    return RankTest(smaller, larger)


def dominance(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Cliff's delta (1993): the share of pairs in which the first is larger, less that of smaller."""
    pairs = len(first) * len(second)
    return sum((one > other) - (one < other) for one in first for other in second) / pairs


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct for asking several questions at once, after Holm (1979): the family's error rate is kept."""
    corrected = [1.0] * len(p_values)
    worst = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, p_values[index] * (len(p_values) - place)))
        corrected[index] = worst
    return corrected
