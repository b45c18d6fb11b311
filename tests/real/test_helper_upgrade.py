# SPDX-License-Identifier: Apache-2.0
"""Helpers upgraded on real hosts: canary first; one that is broken stops the run on the canary.

test_helper_replaced.py has every way in which a helper can be broken; here are systemd, a policy in the
kernel, and the way over SSH.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fleetsched.build.policy import compile_policy
from fleetsched.errors import ExitCode, HelperError
from fleetsched.fleetrepo.load import load_fleet
from fleetsched.fleetrepo.revision import Revision
from fleetsched.helper.build import find_helper, find_unit
from fleetsched.helper.client import Hello, HelperClient
from fleetsched.helper.install import install
from fleetsched.helper.session import open_helper
from fleetsched.inventory.read import read_inventory
from fleetsched.model.assignment import Assignment
from fleetsched.model.controller import Controller
from fleetsched.model.run import Applied
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.helpers import plan_upgrade, upgrade
from fleetsched.operations.init import init
from fleetsched.operations.plan import Selection, plan
from fleetsched.rollout.session import HelperFiles
from fleetsched.transport.by_host import ByHostTransport
from fleetsched.transport.interface import Connection
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults
from tests.real.conftest import PROJECT, RealLab, wait_until
from tests.real.managed import REMOVE
from tests.real.upgrades import BABBLES, build_variant

pytestmark = pytest.mark.lab

_CONFIRM_S = 11.0  # twice the policy's timeout_ms of 5000, and a second
_PID = "systemctl show --property=MainPID --value fleetsched-host.service"


@dataclass
class UpgradedHost:
    """A host with a helper and a policy that it has confirmed."""

    name: str
    connection: Connection

    def client(self) -> HelperClient:
        client = open_helper(self.connection, self.name)
        assert isinstance(client, HelperClient)
        return client

    def hello(self) -> Hello | None:
        with self.client() as client:
            return client.greeting

    def running(self) -> Assignment | None:
        with self.client() as client:
            running = client.status().running
            return running.assignment if running else None

    def events(self) -> list[str]:
        with self.client() as client:
            return [entry.event for entry in client.history()]

    def shell(self, command: str) -> str:
        completed = self.connection.run(["sh", "-c", command], timeout_s=120)
        assert completed.exit_code == 0, (command, completed)
        return completed.stdout.decode().strip()

    def confirm(self, what: Assignment, image: bytes) -> None:
        with self.client() as client:
            client.stage(what.digest, image)
            trial = client.try_(what, deadline_s=120, run="r", revision="c").trial
            for _ in client.watch(interval_s=_CONFIRM_S, for_s=_CONFIRM_S):
                pass
            client.confirm(trial.id)


@dataclass
class Fleet:
    """Two hosts, the helper that they run, and what they are upgraded to."""

    hosts: list[UpgradedHost]
    access: FleetAccess
    policy: Assignment
    now: bytes
    runs: Path

    def upgrade(self, binary: bytes) -> Applied:
        access = replace(self.access, helper_files=lambda arch: HelperFiles(binary, b""))
        names = Selection(limit=":".join(host.name for host in self.hosts))
        with plan(access, names) as planned:
            hosts = plan_upgrade(planned, access)
            assert [host.host for host in hosts] == [host.name for host in self.hosts]
            return upgrade(access, planned, hosts, journals=self.runs, report=lambda event: None)

    def digests(self) -> list[str]:
        return [greeting.sha256 for host in self.hosts if (greeting := host.hello())]


def digest(binary: bytes) -> str:
    return hashlib.sha256(binary).hexdigest()


@pytest.fixture(scope="module")
def fleet(lab: RealLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    root = tmp_path_factory.mktemp("upgrade") / "fleet"
    init(root)
    inventory = read_inventory([lab.inventory], lab.inventory.parent).inventory
    ssh = SshTransport(SshDefaults(config_file=Path("/nonexistent")))
    now, unit = find_helper().read_bytes(), find_unit().read_bytes()
    image = compile_policy(PROJECT / "policies" / "fair", {}).image
    policy = Assignment.of("fair", "default", digest(image), {})
    access = FleetAccess(
        root=root,
        fleet=load_fleet(root, [lab.inventory]),
        revision=Revision("c" * 40, ()),
        controller=Controller(),
        transport=ByHostTransport(ssh, ""),
        helper_files=lambda arch: HelperFiles(now, unit),
        forks=2,
    )

    def prepare(host: UpgradedHost) -> None:
        install(host.connection, host.name, now, unit)
        host.confirm(policy, image)

    with ExitStack() as stack:
        hosts = [
            UpgradedHost(name, stack.enter_context(ssh.connect(inventory.hosts[name])))
            for name in lab.hosts[:2]
        ]
        stack.callback(lab.ssh_everywhere, REMOVE)
        with ThreadPoolExecutor(len(hosts)) as threads:
            list(threads.map(prepare, hosts))
        yield Fleet(hosts, access, policy, now, root.parent / "runs")


def test_a_broken_helper_stops_the_run_on_the_canary(fleet: Fleet, tmp_path: Path) -> None:
    broken = build_variant(tmp_path, "0.1.0", broken=True) + BABBLES
    applied = fleet.upgrade(broken)
    assert applied.exit_code is ExitCode.ROLLED_BACK
    canary, other = applied.hosts
    assert canary.detail == (
        f"to 0.1.0, {digest(broken)[:12]}: it does not speak the helper's protocol; 0.1.0 is back; "
        f"runs {fleet.policy} as before"
    )
    assert other.detail == "not touched"
    assert fleet.digests() == [digest(fleet.now)] * 2
    assert [host.running() for host in fleet.hosts] == [fleet.policy] * 2
    assert "upgrade" not in fleet.hosts[1].events()


def test_the_canary_first_then_the_others(fleet: Fleet) -> None:
    new = fleet.now + b"\0"
    before = [host.shell(_PID) for host in fleet.hosts]
    applied = fleet.upgrade(new)
    assert (applied.exit_code, [result.detail for result in applied.hosts]) == (
        ExitCode.OK,
        [f"helper 0.1.0 ({digest(new)[:8]}), runs {fleet.policy} as before"] * 2,
    )
    assert fleet.digests() == [digest(new)] * 2
    # The service has not been restarted: it is the same process for systemd.
    assert [host.shell(_PID) for host in fleet.hosts] == before
    assert [host.shell("ls /usr/libexec | grep fleetsched") for host in fleet.hosts] == [
        "fleetsched-host\nfleetsched-host.previous"
    ] * 2
    assert fleet.hosts[0].events()[-5:] == ["upgrade", "detached", "service-start", "reattached", "upgraded"]


def test_an_upgraded_helper_that_is_killed_is_started_again(fleet: Fleet) -> None:
    host = fleet.hosts[0]
    host.shell("systemctl kill --signal=KILL fleetsched-host.service")

    def is_back() -> bool:
        with suppress(HelperError):  # nobody answers yet
            return host.running() == fleet.policy
        return False

    wait_until(is_back, within_s=60, what="the policy runs again")
    assert fleet.digests()[0] == digest(fleet.now + b"\0")
