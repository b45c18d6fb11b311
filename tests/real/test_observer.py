# SPDX-License-Identifier: Apache-2.0
"""The observer on a real kernel: what it counts, when it is there, and a kernel that does not take it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetsched.errors import HelperError
from fleetsched.helper.build import build_helper, find_unit
from fleetsched.helper.client import HelperClient
from fleetsched.helper.install import install
from fleetsched.helper.session import RPC_COMMAND
from fleetsched.inventory.read import read_inventory
from fleetsched.model.observation import Latency, Observation, Tally
from fleetsched.model.state import Sample
from fleetsched.transport.interface import Connection
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults
from tests.real.conftest import RealLab, wait_until
from tests.real.managed import REMOVE

pytestmark = pytest.mark.lab

_HOGS = "fleetsched-hogs"
_START_HOGS = (
    f"systemd-run --quiet --unit={_HOGS} sh -c "
    "'for hog in 1 2 3 4 5 6 7 8; do while :; do :; done & done; while :; do sleep 0.01; done'"
)
# One process that takes another name before each of its sleeps.
_MANY_NAMES = "for (1..1500) { $0 = qq(name-$_); select(undef, undef, undef, 0.001) }"
_STOP_HOGS = f"systemctl stop {_HOGS}.service 2>/dev/null || true"
_ODD = "fleetsched-odd"  # a second helper, without the right to load programs
_SOCKET = f"/run/{_ODD}/socket"


@pytest.fixture(scope="module")
def connection(lab: RealLab) -> Iterator[Connection]:
    host = read_inventory([lab.inventory], lab.inventory.parent).inventory.hosts[lab.hosts[-1]]
    with SshTransport(SshDefaults(config_file=Path("/nonexistent"))).connect(host) as connection:
        install(connection, host.name, build_helper().read_bytes(), find_unit().read_bytes())
        yield connection
        shell(connection, f"{_STOP_HOGS}; {REMOVE}")


def shell(connection: Connection, command: str) -> str:
    completed = connection.run(["sh", "-c", command], timeout_s=180)
    assert completed.exit_code == 0, (command, completed)
    return completed.stdout.decode()


def client(connection: Connection) -> HelperClient:
    return HelperClient(connection.open(RPC_COMMAND), "host")


def attached(connection: Connection) -> set[str]:
    """The observer's programs that are attached: those that a link holds."""
    programs = {each["id"]: each.get("name", "") for each in json.loads(shell(connection, "bpftool -j prog"))}
    links = json.loads(shell(connection, "bpftool -j link"))
    names = {programs.get(link.get("prog_id"), "") for link in links}
    return {name for name in names if name.startswith("observe_")}


def test_tasks_that_have_to_wait_are_told_by_cgroup_and_command(connection: Connection) -> None:
    with client(connection) as helper:
        quiet = helper.observe(for_s=3, top=5)
        shell(connection, _START_HOGS)
        busy = helper.observe(for_s=5, top=10)
        shell(connection, _STOP_HOGS)

    assert busy.host.run_queue.p50_us > quiet.host.run_queue.p50_us
    assert busy.host.run_queue.p99_us > quiet.host.run_queue.p99_us
    hogs = busy.keys[0]
    assert (hogs.cgroup, hogs.command) == (f"system.slice/{_HOGS}.service", "sh")
    assert hogs.tally.on_cpu_us > busy.elapsed_ms * 1000  # more than one of the two CPUs
    sleep = f"system.slice/{_HOGS}.service", "sleep"
    assert (busy.forks > 0, sleep in {(key.cgroup, key.command) for key in busy.keys}) == (True, True)
    for tally in tallies(busy):
        assert Latency.of(tally.wakeup.buckets) == tally.wakeup
        assert Latency.of(tally.run_queue.buckets) == tally.run_queue
        assert sum(count for _, count in tally.slices) == tally.switches


def tallies(seen: Observation) -> list[Tally]:
    return [seen.host, *(key.tally for key in seen.keys)]


def test_what_has_no_room_for_a_key_counts_for_the_host_and_is_told(connection: Connection) -> None:
    with client(connection) as helper:
        shell(connection, f"perl -e '{_MANY_NAMES}' </dev/null >/dev/null 2>&1 &")
        seen = helper.observe(for_s=15, top=64)
        later = helper.observe(for_s=1, top=64)

    assert 900 < seen.keys_seen <= 1024
    assert seen.unkeyed_switches > 0
    assert later.unkeyed_switches == 0


def test_it_is_attached_while_somebody_looks_and_not_longer(
    connection: Connection,
) -> None:
    shell(connection, "systemctl restart fleetsched-host.service")
    assert attached(connection) == set()

    with client(connection) as helper:
        looks = helper.watch(interval_s=2, for_s=600, run_queue=True)
        next(looks)
        assert attached(connection) == {"observe_switch", "observe_wakeup", "observe_fork"}
        second = next(looks)
        assert isinstance(second, Sample)
        assert second.run_queue is not None
        assert second.run_queue.count > 0

    wait_until(lambda: attached(connection) == set(), within_s=60, what="the observer detached")


@pytest.mark.faults
def test_it_leaves_memory_a_minute_after_nobody_looks_any_more(connection: Connection) -> None:
    with client(connection) as helper:
        helper.observe(for_s=0.1, top=0)
        assert "observe_switch" in shell(connection, "bpftool prog")

    wait_until(
        lambda: "observe_switch" not in shell(connection, "bpftool prog"),
        within_s=120,
        what="the observer out of memory",
    )


def test_a_kernel_that_does_not_take_it_is_told_and_all_else_works(connection: Connection) -> None:
    shell(
        connection,
        f"systemd-run --quiet --unit={_ODD} -p CapabilityBoundingSet= -p RuntimeDirectory={_ODD} "
        f"/usr/libexec/fleetsched-host serve --socket {_SOCKET} --state /run/{_ODD}/state; "
        f"timeout 30 sh -c 'until test -S {_SOCKET}; do sleep 0.1; done'",
    )
    try:
        rpc = ["/usr/libexec/fleetsched-host", "rpc", "--socket", _SOCKET]
        with HelperClient(connection.open(rpc), "host") as helper:
            with pytest.raises(HelperError, match="the kernel does not take the helper's observer") as caught:
                helper.observe(for_s=1, top=1)
            assert caught.value.code == "no-observer"
            assert helper.facts().observer is False
            assert helper.status().trial is None
    finally:
        shell(connection, f"systemctl stop {_ODD}.service")
