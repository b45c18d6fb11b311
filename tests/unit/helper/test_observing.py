# SPDX-License-Identifier: Apache-2.0
"""Observing a host through the client: what it counted, and where it cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from fleetsched.errors import HelperError
from fleetsched.helper.client import HelperClient
from fleetsched.helper.simulated import SimulatedHost, Work
from fleetsched.model.observation import Key, Latency, Observation, Tally
from fleetsched.model.state import Facts, Sample
from tests.unit.helper.test_simulated import connect

NGINX = Work("system.slice/nginx.service", "nginx", wakeups_per_s=10, waits_us=(20, 40), slice_us=100)
BATCH = Work("batch.slice", "bzip2", wakeups_per_s=1, waits_us=(9_000,), slice_us=50_000)


def test_an_observation_names_the_keys_that_ran_longest() -> None:
    host = SimulatedHost("web-1", work=[NGINX, BATCH])

    seen = connect(host).observe(for_s=2, top=1)

    batch_waits = Latency(2, 10_486, 10_486, 10_486, 10_486, ((10_485_760, 2),))
    all_waits = Latency(22, 41, 10_486, 10_486, 10_486, ((20_480, 10), (40_960, 10), (10_485_760, 2)))
    assert seen == Observation(
        elapsed_ms=2000,
        forks=0,
        host=Tally(102_000, 22, all_waits, all_waits, ((131_072, 20), (67_108_864, 2))),
        keys=(Key("batch.slice", "bzip2", Tally(100_000, 2, batch_waits, batch_waits, ((67_108_864, 2),))),),
        keys_seen=2,
        unkeyed_switches=0,
    )


def test_a_watch_tells_of_the_time_since_it_last_spoke() -> None:
    first, second, third, _ = connect(SimulatedHost("web-1", work=[NGINX])).watch(
        interval_s=1, for_s=2, run_queue=True
    )

    assert isinstance(first, Sample)
    assert isinstance(second, Sample)
    assert isinstance(third, Sample)
    assert (first.run_queue, second.run_queue) == (None, Latency(10, 21, 41, 41))
    assert third.run_queue == second.run_queue


def refusal(client: HelperClient, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(HelperError) as caught:
        client.observe(**arguments)
    return caught.value.code, str(caught.value)


def test_a_kernel_that_does_not_take_the_observer_leaves_all_else_as_it_is() -> None:
    client = connect(SimulatedHost("web-1", observer_refused="Operation not permitted"))

    code, message = refusal(client, for_s=1, top=5)

    assert code == "no-observer"
    assert message.startswith(
        "web-1: the kernel does not take the helper's observer: Operation not permitted"
    )
    assert client.facts().observer is False
    with pytest.raises(HelperError, match="Operation not permitted"):
        list(client.watch(interval_s=1, for_s=1, run_queue=True))
    assert client.status().trial is None


def test_two_people_do_not_observe_a_host_at_once_but_runs_go_on() -> None:
    host = SimulatedHost("web-1", observed_until=10_000_000_000_000)

    assert refusal(connect(host), for_s=1, top=5)[0] == "busy"
    *_, last, _ = connect(host).watch(interval_s=1, for_s=1, run_queue=True)
    assert isinstance(last, Sample)
    assert last.run_queue is not None


def test_a_helper_from_before_the_observer_is_understood() -> None:
    client = connect(SimulatedHost("web-1"))
    facts = client.facts()
    wire = {
        **{name: getattr(facts, name) for name in Facts.__dataclass_fields__ if name != "observer"},
        "problems": [],
        "warnings": [],
    }

    assert Facts.from_wire(wire).observer is False
