# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.model.observation import (
    Latency,
    Observation,
    Tally,
    bucket_end,
    buckets_of,
    merge,
    percentile_us,
    slice_end,
)

WAITS_NS = st.lists(st.integers(0, 68_000_000_000), min_size=1, max_size=200)


@given(WAITS_NS, st.integers(1, 100))
def test_a_percentile_is_never_below_the_truth_and_at_most_a_quarter_above(
    waits: list[int], percent: int
) -> None:
    truth_us = sorted(waits)[math.ceil(len(waits) * percent / 100) - 1] / 1000

    found = percentile_us(buckets_of(waits), percent)

    assert truth_us <= found <= max(truth_us * 1.25, truth_us + 0.256) + 1


@given(WAITS_NS, WAITS_NS)
def test_percentiles_of_several_keys_come_from_their_buckets_together(
    one: list[int], other: list[int]
) -> None:
    together = merge(buckets_of(one), buckets_of(other))

    assert Latency.of(together) == Latency.of(buckets_of([*one, *other]))


@given(st.integers(0, 1 << 35))
def test_a_wait_lies_in_its_bucket_and_in_no_earlier_one(wait_ns: int) -> None:
    assert wait_ns < bucket_end(wait_ns)
    assert bucket_end(bucket_end(wait_ns)) > bucket_end(wait_ns)


@pytest.mark.parametrize(
    ("wait_ns", "end_ns"),
    [
        (0, 256),
        (255, 256),
        (256, 512),
        (1023, 1024),
        (1024, 1280),
        (2047, 2048),
        (2048, 2560),
        (1 << 36, 1 << 36),
        (1 << 60, 1 << 36),
    ],
)
def test_buckets_end_where_the_protocol_says(wait_ns: int, end_ns: int) -> None:
    assert bucket_end(wait_ns) == end_ns


@pytest.mark.parametrize(("run_ns", "end_ns"), [(0, 512), (511, 512), (512, 1024), (1 << 60, 1 << 36)])
def test_runs_are_told_by_power_of_two(run_ns: int, end_ns: int) -> None:
    assert slice_end(run_ns) == end_ns


def test_nothing_waited() -> None:
    assert Latency.of(()) == Latency(0, 0, 0, 0, 0, ())


def test_means_and_rates() -> None:
    tally = Tally(on_cpu_us=3000, switches=2, wakeup=Latency(), run_queue=Latency())
    nothing = Tally(0, 0, Latency(), Latency())

    assert (tally.mean_slice_us, nothing.mean_slice_us) == (1500.0, 0.0)
    assert Observation(500, 3, tally).per_second(3) == 6.0
    assert Observation(0, 0, nothing).per_second(0) == 0.0
