# SPDX-License-Identifier: Apache-2.0
"""The rank test and its relatives, against scipy and against counting by hand."""

from __future__ import annotations

from itertools import combinations
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata

from fleetsched.bench.ranks import dominance, holm, rank_test

# Few values, so that ties are the rule.
COARSE = st.lists(st.integers(0, 4).map(float), min_size=1, max_size=5)
FINE = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12)


@given(COARSE, COARSE)
def test_with_ties_it_is_what_counting_every_choice_gives(first: list[float], second: list[float]) -> None:
    ranks = rankdata([*first, *second])
    observed = sum(ranks[: len(first)])
    sums = [sum(ranks[i] for i in chosen) for chosen in combinations(range(len(ranks)), len(first))]
    found = rank_test(first, second)
    assert found.smaller == pytest.approx(mean(float(each <= observed) for each in sums))
    assert found.larger == pytest.approx(mean(float(each >= observed) for each in sums))


@given(FINE, FINE)
@settings(max_examples=50)
def test_without_ties_it_is_scipys_exact_test(first: list[float], second: list[float]) -> None:
    if len({*first, *second}) < len(first) + len(second):
        return
    expected = mannwhitneyu(first, second, alternative="two-sided", method="exact").pvalue
    assert rank_test(first, second).two_sided == pytest.approx(expected)


def test_where_exact_and_approximate_meet_they_agree() -> None:
    first = [float(number) for number in range(25)]
    second = [number + 4.5 for number in first]
    exact = rank_test(first, second).two_sided
    approximate = rank_test([*first, 12.3], [*second, 16.8]).two_sided
    assert exact == pytest.approx(approximate, rel=0.15)


@pytest.mark.parametrize("count", [1, 7, 60])
def test_numbers_that_are_all_the_same_say_nothing(count: int) -> None:
    assert rank_test([3.0] * count, [3.0] * count).two_sided == 1.0


@given(FINE, FINE)
def test_exchanging_the_arms_mirrors_it(first: list[float], second: list[float]) -> None:
    one, other = rank_test(first, second), rank_test(second, first)
    assert (one.smaller, one.two_sided) == (other.larger, other.two_sided)
    assert dominance(first, second) == -dominance(second, first)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([3, 4], [1, 2], 1.0),
        ([1, 2], [3, 4], -1.0),
        ([1, 2], [1, 2], 0.0),
        ([1, 3], [2], 0.0),
        ([2, 2, 3], [1, 2], 2 / 3),
    ],
)
def test_dominance_is_the_share_of_pairs(first: list[float], second: list[float], expected: float) -> None:
    assert dominance(first, second) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([], []),
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_holm_multiplies_the_least_by_the_most(p_values: list[float], expected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(expected)
