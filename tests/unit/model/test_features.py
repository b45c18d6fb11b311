# SPDX-License-Identifier: Apache-2.0
"""What hosts counted, as features, and features as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.model.features import SCALES, Counted, distance, features_of, value_of
from fleetsched.model.metrics import FEATURES
from fleetsched.model.observation import Key, Latency, Observation, Tally
from fleetsched.model.tasks import Tasks

NOBODY = Tasks()


def tally(switches: int, mean_us: int = 1000, wakes: int | None = None) -> Tally:
    waits = Latency(count=switches if wakes is None else wakes)
    return Tally(switches * mean_us, switches, waits, waits)


def counted(host: Tally, *keys: Key, cpus: int = 2, seconds: int = 1, weights: bool | None = None) -> Counted:
    return Counted(Observation(seconds * 1000, 0, host, keys, len(keys)), cpus, weights)


def test_features_of_a_host_are_rates_per_cpu_and_means() -> None:
    found = features_of([counted(tally(1000, 500, wakes=800), weights=False)], NOBODY)
    assert found == {"cgroup_weights": 0, "cpu_utilisation": 25, "wake_rate": 400, "mean_slice_us": 500}


def test_features_of_tasks_are_theirs_but_how_busy_the_cpus_are_is_the_hosts() -> None:
    web, job = tally(200, 100), tally(100, 5000)
    keys = Key("system.slice/nginx.service", "nginx", web), Key("/batch", "gzip", job)
    host = counted(tally(2000, 900), *keys)
    assert features_of([host], Tasks(command="nginx")) == {
        "cpu_utilisation": 90,
        "wake_rate": 100,
        "mean_slice_us": 100,
    }
    assert features_of([host], Tasks(cgroup="batch"))["mean_slice_us"] == 5000
    assert features_of([host], Tasks(cgroup="system.slice"))["wake_rate"] == 100


def test_of_tasks_that_nobody_saw_nothing_is_said() -> None:
    host = counted(tally(2000, 900), Key("/batch", "gzip", tally(1)))
    assert features_of([host], Tasks(command="nginx")) == {"cpu_utilisation": 90}
    assert features_of([counted(tally(1), seconds=0)], NOBODY) == {}


def test_of_several_hosts_the_median_counts() -> None:
    hosts = [counted(tally(count, 10)) for count in (200, 400, 20_000)]
    assert features_of(hosts, NOBODY)["wake_rate"] == 200


@pytest.mark.parametrize(
    ("feature", "measured", "value"),
    [
        ("wake_rate", 250, 0),
        ("wake_rate", 10_000, 1),
        ("wake_rate", 1e9, 1),
        ("wake_rate", 0, -1),
        ("mean_slice_us", 2800, 0),
        ("mean_slice_us", 20_000, 1),
        ("mean_slice_us", 250, -1),
        ("cpu_utilisation", 50, 0),
        ("cpu_utilisation", 100, 1),
        ("cgroup_weights", 0, -1),
        ("cgroup_weights", 1, 1),
        ("long_tail", 1, None),
    ],
)
def test_a_scale_is_where_it_says(feature: str, measured: float, value: float | None) -> None:
    assert value_of(feature, measured) == value


@given(st.sampled_from(sorted(SCALES)), st.floats(0, 1e12), st.floats(0, 1e12))
def test_scales_never_fall_and_stay_within_one(feature: str, first: float, second: float) -> None:
    low, high = (value_of(feature, number) for number in sorted((first, second)))
    assert low is not None
    assert high is not None
    assert -1 <= low <= high <= 1
    assert feature in FEATURES


def test_distance_is_of_shared_features() -> None:
    near = {"wake_rate": 250.0, "cpu_utilisation": 100.0}
    assert distance(near, near) == 0
    assert distance(near, {"cpu_utilisation": 0.0}) == 2
    assert distance(near, {"long_tail": 1.0}) is None
