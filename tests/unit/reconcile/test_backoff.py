# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.reconcile.backoff import MOST_S, Backoff


@pytest.mark.parametrize(
    ("failures", "wait_s"), [(0, 60), (1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (1000, 3600)]
)
def test_each_failure_in_a_row_doubles_the_wait_up_to_an_hour(failures: int, wait_s: float) -> None:
    backoff = Backoff(60)
    for _ in range(failures):
        backoff.failed("a", 0)
    assert backoff.wait_s() == wait_s


def test_another_thing_may_be_tried_at_once_and_what_works_is_forgiven() -> None:
    backoff = Backoff(60)
    backoff.failed("a", 0)
    assert (backoff.is_ready("a", 59), backoff.is_ready("a", 60), backoff.is_ready("b", 0)) == (
        False,
        True,
        True,
    )
    backoff.failed("a", 60)
    assert not backoff.is_ready("a", 179)
    backoff.worked()
    assert backoff.is_ready("a", 179)


@given(st.lists(st.sampled_from("ab")), st.floats(1, 1e4))
def test_no_wait_is_longer_than_the_longest_or_shorter_than_the_interval(
    whats: list[str], interval: float
) -> None:
    backoff = Backoff(interval)
    for what in whats:
        backoff.failed(what, 0)
    assert min(interval, MOST_S) <= backoff.wait_s() <= MOST_S
