# SPDX-License-Identifier: Apache-2.0
"""Random fleets through the real plan, engine, client and protocol, over simulated hosts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from fleetsched.errors import UnreachableError
from fleetsched.fleetrepo.revision import Revision
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.assignment import Assignment
from fleetsched.model.controller import Controller as Settings
from fleetsched.operations.apply import apply
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.plan import plan
from tests.unit.random_fleets import FOREIGN, OBJECTS, Machine, World, to_become, worlds
from tests.unit.rollout.test_engine import HELPER


def simulated(name: str, machine: Machine) -> SimulatedHost:
    """A host in the state of a machine."""
    host = SimulatedHost(name, installed=machine.helper)
    host.disk.objects.update(OBJECTS)
    if not machine.able:
        host.problems.append({"code": "isolcpus", "message": "cannot", "remedy": "do"})
    if machine.recorded:
        host.disk.last_known_good = {
            "assignment": machine.recorded.to_wire(),
            "run": "run-0",
            "revision": "c" * 40,
            "confirmed_at": "2026-01-02T03:04:05Z",
            "kernel_release": host.kernel_release,
            "cpus": host.cpus,
        }
    if machine.runs:
        host.attach(machine.runs)
    if machine.foreign:
        host.kernel.enable(FOREIGN)
    for held in machine.held:
        host.hold(held, "failed before", None)
    if not machine.reachable:
        host.connect_error = UnreachableError(f"{name}: no answer")
    return host


def state(host: SimulatedHost) -> tuple[Assignment | None, Assignment | None, str | None]:
    """What is recorded, what runs, and what runs that is not ours."""
    record = host.disk.last_known_good
    recorded = Assignment.from_wire(record["assignment"]) if record else None
    return recorded, host.attached.assignment if host.attached else None, host.foreign()


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@settings(max_examples=40, deadline=None)
@given(world=worlds(trials=False))
def test_applied_every_host_is_as_wanted_and_nothing_is_left(journals: Path, world: World) -> None:
    hosts = {name: simulated(name, machine) for name, machine in world.machines.items()}
    transport = SimulatedTransport(hosts)
    access = FleetAccess(
        Path(), world.fleet, Revision("c" * 40), Settings(), transport, lambda arch: HELPER, 4
    )
    with plan(access) as planned:
        apply(
            access,
            planned,
            journals=journals,
            report=lambda event: None,
            build=lambda fleet, made: OBJECTS,
        )

    for name, host in hosts.items():
        end = to_become(world, name)
        assert state(host) == (end.recorded, end.runs, FOREIGN if end.foreign else None)
        assert host.lease is None
    with plan(access) as again:
        left = [host.host for host in again.plan.hosts if host.changes and not host.problem]
        assert left == []
