# SPDX-License-Identifier: Apache-2.0
"""A profile is bounded and clean, and the same after it was written and read."""

from __future__ import annotations

import json
from dataclasses import replace

from jsonschema import Draft202012Validator

from fleetsched import schemas
from fleetsched.model.observation import Key, Latency, Observation, Tally
from fleetsched.model.profile import MOST_HOSTS, MOST_KEYS, HostProfile, Profile
from fleetsched.model.state import Notice
from fleetsched.model.tasks import Tasks
from tests.unit import builders

WAITS = Latency.of(((1024, 90), (4096, 10)))
TALLY = Tally(500_000, 1000, WAITS, WAITS, ((1 << 20, 1000),))


def host(name: str = "web-1", *keys: Key) -> HostProfile:
    seen = Observation(1000, 3, TALLY, keys or (Key("/web", "nginx", TALLY),), 1, 0)
    return HostProfile.of(name, builders.facts(), seen, cpu_some_avg10=12.5)


def profile(*hosts: HostProfile, tasks: Tasks = Tasks()) -> Profile:
    return Profile.of(hosts or (host(),), seconds=1.0, taken_at="2026-01-02T03:04:05Z", tasks=tasks)


def test_what_was_written_fits_the_schema_and_is_read_the_same() -> None:
    refused = HostProfile.of("web-2", builders.facts(), None, error="the kernel does not take it")
    before = profile(host(), refused, tasks=Tasks(command="nginx"))
    wire = json.loads(json.dumps(before.to_wire()))
    Draft202012Validator(schemas.load("profile")).validate(wire)
    assert Profile.from_wire(wire) == before
    assert before.hosts == ("web-1",)
    assert before.features["wake_rate"] == 50


def test_features_of_a_file_are_told_anew_from_its_counts() -> None:
    wire = {**profile().to_wire(), "features": {"wake_rate": 1e9}}
    assert Profile.from_wire(wire).features == profile().features


def test_names_are_cut_and_cleaned_and_lists_are_bounded() -> None:
    keys = [Key("/a\x1b[2J" + "b" * 400, "run\nthis; now please", TALLY)] * 64
    bounded = profile(*(host(f"web-{number}", *keys) for number in range(60)))
    assert len(bounded.seen) == MOST_HOSTS
    first = bounded.seen[0].observation
    assert first is not None
    assert len(first.keys) == MOST_KEYS
    assert first.keys[0].command == "run?this; now p"
    assert (first.keys[0].cgroup or "").startswith("/a?[2Jb")
    assert len(first.keys[0].cgroup or "") == 200
    Draft202012Validator(schemas.load("profile")).validate(json.loads(json.dumps(bounded.to_wire())))


def test_cgroups_share_cpu_time_where_the_helper_warns_of_it() -> None:
    facts = builders.facts()
    warned = HostProfile.of("web-1", facts, None)
    assert not warned.cgroup_weights
    facts = replace(facts, warnings=(Notice("cgroup-cpu", "cgroups share out CPU time here"),))
    assert HostProfile.of("web-1", facts, None).cgroup_weights


def test_a_profile_can_be_told_of_other_tasks_and_of_some_hosts() -> None:
    both = profile(host("web-1"), host("web-2"))
    assert both.about(Tasks(command="gzip"), ["web-2"]).features == {
        "cgroup_weights": 0,
        "cpu_utilisation": 25,
    }
    assert both.about(Tasks(), ["web-2"]).hosts == ("web-2",)
