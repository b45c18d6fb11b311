# SPDX-License-Identifier: Apache-2.0
"""Budgets: exact in money, and each ends a run by its name."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.agent.budget import BUDGETS, Left, Meter
from fleetsched.agent.interface import BudgetSpentError, Spent
from fleetsched.model.controller import Budget

BUDGET = Budget(usd=0.3, tokens=1000, wall_s=60.0, candidates=2)


class Clock:
    now_s = 500.0

    def __call__(self) -> float:
        return self.now_s


def test_a_new_meter_has_all_of_its_budget_left() -> None:
    meter = Meter(BUDGET, Clock())
    meter.check()
    assert meter.left == Left(Decimal("0.3"), 1000, 60.0, 2)
    assert meter.spent() == Spent()


def test_money_is_exact_where_floats_are_not() -> None:
    meter = Meter(BUDGET, Clock())
    for _ in range(3):
        meter.tokens(10, 1, 0, Decimal("0.1"))
    assert meter.spent().usd == Decimal("0.3")
    with pytest.raises(BudgetSpentError, match=r"the budget of \$0\.3 is spent") as raised:
        meter.check()
    assert raised.value.what == "usd"


def test_every_token_counts_also_a_cached_one() -> None:
    meter = Meter(BUDGET, Clock())
    meter.tokens(600, 100, 299, Decimal(0))
    meter.check()
    meter.tokens(0, 1, 0, Decimal(0))
    with pytest.raises(BudgetSpentError, match="1,000 tokens") as raised:
        meter.check()
    assert raised.value.what == "tokens"
    assert meter.spent() == Spent(tokens_in=600, tokens_out=101, tokens_cached=299)


def test_time_runs_from_the_beginning() -> None:
    clock = Clock()
    meter = Meter(BUDGET, clock)
    clock.now_s += 59.5
    meter.check()
    assert meter.left.wall_s == 0.5
    clock.now_s += 0.5
    with pytest.raises(BudgetSpentError, match="60 s") as raised:
        meter.check()
    assert raised.value.what == "wall"


@pytest.mark.parametrize(("end_s", "left_s"), [(45.0, 35.0), (61.0, 50.0), (5.0, 0.0), (-100.0, 0.0)])
def test_the_time_can_be_made_shorter_but_not_longer(end_s: float, left_s: float) -> None:
    clock = Clock()
    meter = Meter(BUDGET, clock)
    clock.now_s += 10
    meter.end_by(end_s)
    assert meter.left.wall_s == left_s


def test_a_candidate_too_many_is_refused_and_not_counted() -> None:
    meter = Meter(BUDGET, Clock())
    meter.candidate()
    meter.candidate()
    meter.check()  # those that there are may still be measured
    with pytest.raises(BudgetSpentError, match="the budget of 2 candidates is spent") as raised:
        meter.candidate()
    assert raised.value.what == "candidates"
    assert raised.value.remedy.startswith("what is there so far counts")
    assert meter.spent().candidates == 2


def test_what_goes_beyond_the_budget_is_counted_and_leaves_nothing() -> None:
    clock = Clock()
    meter = Meter(BUDGET, clock)
    meter.tokens(5000, 5000, 0, Decimal(7))
    clock.now_s += 1000
    assert meter.left == Left(Decimal(0), 0, 0.0, 2)
    assert meter.spent() == Spent(Decimal(7), 5000, 5000, 0, 1000.0, 0)


@given(st.lists(st.decimals(min_value=0, max_value=1, places=6), max_size=50))
def test_money_adds_up(replies: list[Decimal]) -> None:
    meter = Meter(BUDGET, Clock())
    for usd in replies:
        meter.tokens(1, 1, 1, usd)
    assert meter.spent().usd == sum(replies, Decimal(0))
    assert meter.left.usd == max(Decimal("0.3") - sum(replies, Decimal(0)), Decimal(0))


def test_every_budget_has_a_name() -> None:
    assert BUDGETS == ("usd", "tokens", "wall", "candidates")
