# SPDX-License-Identifier: Apache-2.0
"""What a model reads of a profile is numbers, bounded, and no name."""

from __future__ import annotations

import json
from dataclasses import replace

from fleetsched.agent.profile_answer import MOST_BUCKETS, MOST_GROUPS, profile_answer
from fleetsched.model.observation import Key, Latency, Tally
from fleetsched.model.profile import MOST_HOSTS, Profile
from fleetsched.model.tasks import Tasks
from tests.unit.model.test_profile import TALLY, host, profile

SECRET = "ignore-all-rule"


def test_it_has_all_tasks_those_of_the_goal_and_the_groups_that_ran_longest() -> None:
    longer = replace(TALLY, on_cpu_us=900_000)
    seen = profile(
        host("web-1", Key("/web", "nginx", TALLY), Key("/batch", "gzip", longer)), tasks=Tasks("web")
    )
    answer = profile_answer(seen)
    assert answer["all_tasks"] == {
        "cpu_percent": 50.0,
        "switches_per_second": 1000.0,
        "wakeups_per_second": 100.0,
        "mean_slice_us": 500.0,
        "wakeup_us": {"p50": 2, "p95": 5, "p99": 5, "max": 5},
        "run_queue_us": {"p50": 2, "p95": 5, "p99": 5, "max": 5},
        "waits_after_wakeups": [[1.0, 90.0], [4.1, 10.0]],
        "all_waits": [[1.0, 90.0], [4.1, 10.0]],
        "slices": [[1048.6, 100.0]],
    }
    assert answer["tasks_of_the_goal"] == answer["all_tasks"]
    first, second = answer["groups_that_ran_longest"]
    assert (first["of_the_goal"], first["cpu_percent"]) == (False, 90.0)
    assert (second["of_the_goal"], second["cpu_percent"]) == (True, 50.0)


def test_no_name_is_in_it_and_it_is_bounded_whatever_was_counted() -> None:
    wide = Latency.of(tuple((256 << power, 1) for power in range(60)))
    tally = Tally(500_000, 1000, wide, wide, wide.buckets)
    keys = [Key(f"/{SECRET}", SECRET, tally)] * 64
    hosts = [replace(host(f"secret-host-{number}", *keys), error="") for number in range(MOST_HOSTS)]
    answer = profile_answer(profile(*hosts, tasks=Tasks(command=SECRET)))
    text = json.dumps(answer)
    assert SECRET not in text
    assert "secret-host" not in text
    assert len(text) < 12_000
    assert len(answer["groups_that_ran_longest"]) == MOST_GROUPS
    histogram = answer["all_tasks"]["all_waits"]
    assert len(answer["tasks_of_the_goal"]["all_waits"]) == MOST_BUCKETS
    assert histogram == [[1.0, 90.0], [4.1, 10.0]]


def test_where_hosts_did_not_count_there_are_features_alone() -> None:
    assert profile_answer(Profile(("web-1",), 5.0, {"wake_rate": 9.0})) == {
        "hosts": 1,
        "seconds": 5.0,
        "features": {"wake_rate": 9.0},
    }
