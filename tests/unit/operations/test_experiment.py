# SPDX-License-Identifier: Apache-2.0
"""`bench --on`: which hosts it may use, and what it compares there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleetsched.errors import InputError, RefusedError
from fleetsched.helper.simulated import Behaviour, SimulatedHost
from fleetsched.model.controller import Controller as Settings
from fleetsched.model.evidence import Evidence
from fleetsched.operations.bench import Request
from fleetsched.operations.experiment import bench_on
from tests.unit.operations.controller import Controller

REQUEST = Request("fair", "", repeats=6, width=None)


def bench(
    controller: Controller, host: str = "lab-1", *, experiments: tuple[str, ...] = ("lab",), **changes: Any
) -> Evidence:
    access = replace(controller.access(), controller=Settings(experiments=experiments))
    request = replace(REQUEST, **changes)
    return bench_on(access, host, request, lambda said: None, seconds=1, pause=lambda seconds: None)


@pytest.fixture
def hosts(controller: Controller) -> dict[str, SimulatedHost]:
    for name in controller.hosts:
        controller.hosts[name] = SimulatedHost(name, behaviours={"fair": Behaviour(waits_us=(5,))})
    return controller.hosts


def test_a_host_of_a_listed_group_is_measured_and_left_as_it_was(
    controller: Controller, hosts: dict[str, SimulatedHost]
) -> None:
    found = bench(controller)

    assert [arm.name for arm in found.arms] == ["kernel-default", "candidate"]
    assert (found.environment.host, found.workload) == ("lab-1", "own-work")
    assert controller.ops() == {"lab-1": None, "lab-2": None, "lab-3": None}
    assert [len(host.disk.held) for host in hosts.values()] == [0, 0, 0]
    assert not hosts["lab-2"].disk.history[1:]


@pytest.mark.parametrize("experiments", [(), ("elsewhere",)])
def test_a_host_of_no_listed_group_is_refused_before_it_is_asked(
    controller: Controller, hosts: dict[str, SimulatedHost], experiments: tuple[str, ...]
) -> None:
    with pytest.raises(RefusedError, match="lab-1 is no host for experiments") as caught:
        bench(controller, experiments=experiments)

    assert "list its group under `experiments`" in caught.value.remedy
    assert not hosts["lab-1"].disk.history[1:]


@pytest.mark.parametrize("host", ["lab-9", "lab", "all"])
def test_only_one_host_by_its_name_is_taken(controller: Controller, host: str) -> None:
    with pytest.raises(InputError, match=f"no host '{host}' in the inventory"):
        bench(controller, host)


def test_a_host_with_a_policy_is_compared_with_that_and_nothing_else(
    controller: Controller, hosts: dict[str, SimulatedHost]
) -> None:
    controller.apply()
    (bound,) = {host.disk.last_known_good["assignment"]["policy"] for host in hosts.values()}
    before = hosts["lab-1"].disk.last_known_good

    found = bench(controller, policy="throughput")

    assert [(arm.name, arm.policy) for arm in found.arms] == [
        ("incumbent", bound),
        ("candidate", "throughput"),
    ]
    assert (hosts["lab-1"].disk.last_known_good, hosts["lab-1"].kernel.ops) == (before, bound)
    with pytest.raises(InputError, match=f"lab-1 runs {bound}, which is what its experiments compare with"):
        bench(controller, policy="throughput", against="pack")
    with pytest.raises(InputError, match="lab-1 runs exactly this already"):
        bench(controller, policy=bound)
