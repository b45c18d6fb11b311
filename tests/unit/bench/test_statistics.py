# SPDX-License-Identifier: Apache-2.0
"""What samples say of a candidate: tables of cases, and what holds whatever the samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetsched.bench.statistics import compare, precise_enough
from fleetsched.model.evidence import Comparison, Finding, Measured
from fleetsched.model.metrics import Direction

BASE = (100.0, 103.0, 98.0, 101.0, 99.0, 102.0)
HALF = tuple(value / 2 for value in BASE)
FOUR_LESS = tuple(value * 0.96 for value in BASE)
FOUR_MORE = tuple(value * 1.04 for value in BASE)


def measured(
    candidate: Sequence[float],
    default: Sequence[float] = BASE,
    *,
    better: Direction = "minimize",
    guardrail: float | None = None,
    metric: str = "wakeup_latency_p99_us",
) -> Measured:
    samples = {"kernel-default": tuple(default), "candidate": tuple(candidate)}
    return Measured(metric, "us", better, samples, guardrail)


def compared(*args: Sequence[float], **fields: Any) -> Comparison:
    (found,) = compare([measured(*args, **fields)], seed=1)
    return found


@pytest.mark.parametrize(
    ("candidate", "better", "guardrail", "expected"),
    [
        (HALF, "minimize", None, Finding.BETTER),
        (HALF, "maximize", None, Finding.WORSE),
        (BASE, "minimize", None, Finding.SIMILAR),
        ((60.0, 140.0, 95.0, 101.0, 80.0, 120.0), "minimize", None, Finding.INCONCLUSIVE),
        (tuple(value * 1.2 for value in BASE), "minimize", None, Finding.WORSE),
        (tuple(value * 1.2 for value in BASE), "maximize", None, Finding.BETTER),
        # Within its margin a guardrail tolerates a loss, however sure it is.
        (FOUR_MORE, "minimize", 0.10, Finding.SIMILAR),
        (FOUR_LESS, "maximize", 0.10, Finding.SIMILAR),
        (BASE, "minimize", 0.10, Finding.SIMILAR),
        (BASE, "minimize", 0.001, Finding.INCONCLUSIVE),
        (tuple(value * 1.2 for value in BASE), "minimize", 0.10, Finding.WORSE),
        (HALF, "minimize", 0.10, Finding.BETTER),
        (HALF, "maximize", 0.10, Finding.WORSE),
    ],
)
def test_the_finding_is_that_of_the_metrics_direction(
    candidate: Sequence[float], better: str, guardrail: float | None, expected: Finding
) -> None:
    assert compared(candidate, better=better, guardrail=guardrail).finding == expected


def test_a_comparison_says_all_its_numbers() -> None:
    found = compared(HALF)
    assert (found.metric, found.against, found.medians) == (
        "wakeup_latency_p99_us",
        "kernel-default",
        (50.25, 100.5),
    )
    assert (found.change, found.effect) == (-0.5, 1.0)
    assert found.p_value == found.p_holm == pytest.approx(2 / math.comb(12, 6))
    # Both arms of a block have the same noise here, and blocks are resampled whole.
    assert found.interval == (-0.5, -0.5)


def test_a_sure_difference_of_less_than_three_percent_is_not_called_one() -> None:
    steady = tuple(100 + 0.01 * number for number in range(6))
    found = compared([value * 1.02 for value in steady], steady)
    assert (found.p_value < 0.01, found.effect, found.finding) == (True, -1.0, Finding.SIMILAR)


def test_a_tight_guardrail_is_broken_by_less_than_three_percent() -> None:
    steady = tuple(100 + 0.01 * number for number in range(6))
    assert compared([value * 1.02 for value in steady], steady, guardrail=0.01).finding == Finding.WORSE


def test_ranks_and_medians_must_agree() -> None:
    # Nearly half of the candidate's runs are far below, yet its median is above: two kinds of runs.
    default = [10.0] * 11 + [11.0] * 9
    candidate = [1.0] * 9 + [11.5] * 11
    found = compared(candidate, default)
    assert found.finding == Finding.INCONCLUSIVE


def test_more_questions_make_each_harder() -> None:
    close = (92.0, 93.0, 94.0, 95.0, 96.5, 99.5)
    alone = compared(close)
    among = compare([measured(close), *(measured(BASE, metric=f"m{i}") for i in range(9))], seed=1)
    assert (alone.finding, alone.p_holm < 0.05) == (Finding.BETTER, True)
    assert among[0].p_holm == pytest.approx(min(1.0, 10 * alone.p_value))
    assert among[0].finding == Finding.INCONCLUSIVE
    assert among[0].p_value == alone.p_value


def test_every_other_arm_is_compared_with_and_the_candidate_needed() -> None:
    three = Measured(
        "m", "s", "minimize", {"kernel-default": BASE, "incumbent": FOUR_MORE, "candidate": HALF}
    )
    assert [(each.against, each.finding) for each in compare([three], seed=1)] == [
        ("kernel-default", Finding.BETTER),
        ("incumbent", Finding.BETTER),
    ]
    assert compare([Measured("m", "s", "minimize", {"kernel-default": BASE})], seed=1) == ()


@pytest.mark.parametrize(
    ("candidate", "default", "guardrail", "change", "finding"),
    [
        # All the same, often enough to mean something, or not.
        ([7.0] * 6, [7.0] * 6, None, 0.0, Finding.SIMILAR),
        ([7.0] * 6, [7.0] * 6, 0.05, 0.0, Finding.SIMILAR),
        ([7.0] * 2, [7.0] * 2, None, 0.0, Finding.INCONCLUSIVE),
        ([0.0] * 6, [0.0] * 6, 0.05, 0.0, Finding.SIMILAR),
        # A share of nothing.
        ([1.0] * 6, [0.0] * 6, None, math.inf, Finding.WORSE),
        ([-1.0] * 6, [0.0] * 6, None, -math.inf, Finding.BETTER),
        ([0.0] * 6, [4.0] * 6, None, -1.0, Finding.BETTER),
        ([0, 0, 0, 0, 0, 1], [0.0] * 6, 0.05, 0.0, Finding.INCONCLUSIVE),
        # Below zero the smaller is still the better.
        ([-2.0] * 6, [-1.0] * 6, None, -1.0, Finding.BETTER),
        ([1.0] * 6, [-1.0] * 6, None, 2.0, Finding.WORSE),
        # Two values, as of buckets.
        ([8, 8, 8, 8, 8, 10], [10, 10, 10, 10, 10, 8], None, -0.2, Finding.INCONCLUSIVE),
        ([8] * 9 + [10], [10] * 9 + [8], None, -0.2, Finding.BETTER),
        # Too few for anything.
        ([1.0], [100.0], None, -0.99, Finding.INCONCLUSIVE),
        ([1, 2, 3], [101, 102, 103], None, -100 / 102, Finding.INCONCLUSIVE),
        ([1, 2, 3, 4], [101, 102, 103, 104], None, -100 / 102.5, Finding.BETTER),
    ],
)
def test_unusual_samples(
    candidate: Sequence[float],
    default: Sequence[float],
    guardrail: float | None,
    change: float,
    finding: Finding,
) -> None:
    found = compared(candidate, default, guardrail=guardrail)
    assert (found.change, found.finding) == (pytest.approx(change), finding)


def test_few_blocks_have_no_interval() -> None:
    assert compared(HALF[:5], BASE[:5]).interval == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("candidate", "default", "message"),
    [
        ((1.0,), (1.0, 2.0), "m: every arm needs one sample a block, and one block or more"),
        ((), (), "m: every arm needs one sample a block, and one block or more"),
        ((math.nan,), (1.0,), "m: a sample is not a finite number"),
        ((1.0,), (math.inf,), "m: a sample is not a finite number"),
    ],
)
def test_samples_that_cannot_be_compared_are_refused(
    candidate: Sequence[float], default: Sequence[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        compared(candidate, default, metric="m")


ARM = st.integers(1, 12).flatmap(
    lambda count: st.tuples(*[st.lists(st.integers(1, 200), min_size=count, max_size=count)] * 2)
)
MIRROR = {Finding.BETTER: Finding.WORSE, Finding.WORSE: Finding.BETTER}


@given(ARM, st.sampled_from(["minimize", "maximize"]))
@settings(max_examples=60)
def test_exchanging_the_arms_mirrors_the_finding(arms: tuple[list[int], list[int]], better: str) -> None:
    one, other = compared(*arms, better=better), compared(*reversed(arms), better=better)
    assert other.finding == MIRROR.get(one.finding, one.finding)
    assert (other.effect, other.p_value, other.medians) == (-one.effect, one.p_value, one.medians[::-1])
    assert 1 + other.change == pytest.approx(1 / (1 + one.change))
    if math.isfinite(one.interval[0]):
        assert [1 / (1 + end) - 1 for end in reversed(one.interval)] == pytest.approx(other.interval)


@given(ARM, st.integers(-10, 10), st.sampled_from([None, 0.05]))
@settings(max_examples=60)
def test_the_unit_does_not_matter(
    arms: tuple[list[int], list[int]], power: int, guardrail: float | None
) -> None:
    # Powers of two, so that no number is rounded.
    scaled = [[value * 2.0**power for value in values] for values in arms]
    one, other = compared(*arms, guardrail=guardrail), compared(*scaled, guardrail=guardrail)
    assert replace(other, medians=one.medians) == one


@given(ARM, st.floats(0.1, 1))
@settings(max_examples=60)
def test_an_even_better_candidate_is_no_worse(arms: tuple[list[int], list[int]], share: float) -> None:
    candidate, default = arms
    one, other = compared(candidate, default), compared([value * share for value in candidate], default)
    assert other.effect >= one.effect
    assert other.change <= one.change
    assert not (one.finding == Finding.BETTER and other.finding == Finding.WORSE)
    assert not (one.finding != Finding.WORSE and other.finding == Finding.WORSE)


@given(ARM)
@settings(max_examples=60)
def test_the_interval_holds_the_change(arms: tuple[list[int], list[int]]) -> None:
    found = compared(*arms)
    assert found.interval[0] <= found.change <= found.interval[1]


def test_the_same_seed_gives_the_same_bytes() -> None:
    noisy = [measured([100 + number**2 for number in range(15)], [number % 7 + 90 for number in range(15)])]
    assert compare(noisy, seed=5) == compare(noisy, seed=5)
    assert compare(noisy, seed=5)[0].interval != compare(noisy, seed=6)[0].interval


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ({"a": BASE, "b": HALF}, True),  # they differ by half: that is not looked at
        ({"a": BASE, "b": BASE[:5]}, False),
        ({"a": BASE, "b": (1, 2, 3, 4, 5, 6)}, False),
        ({"a": [0.0] * 6}, True),
        ({"a": [0.0] * 5 + [1.0]}, False),
        ({"a": [-value for value in BASE]}, True),
    ],
)
def test_measuring_stops_when_each_arm_is_known(samples: dict[str, Sequence[float]], expected: bool) -> None:
    assert precise_enough(samples, width=0.1) is expected
