# SPDX-License-Identifier: Apache-2.0
"""A host of the lab with the helper of this tree on it, for tests that look at it over one SSH connection."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fleetsched.build.policy import compile_policy
from fleetsched.errors import HelperError, UnreachableError
from fleetsched.helper.build import build_helper, find_unit
from fleetsched.helper.client import HelperClient, WatchEnd
from fleetsched.helper.install import install
from fleetsched.helper.session import NoHelper, open_helper
from fleetsched.inventory.read import read_inventory
from fleetsched.model.assignment import Assignment
from fleetsched.model.state import HistoryEntry, Status
from fleetsched.transport.interface import Connection
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults
from tests.real.conftest import PROJECT, RealLab, wait_until

CONFIRM_S = 11.0  # twice the policies' timeout_ms of 5000, and a second
NOW = "cut -d' ' -f1 /proc/uptime"
PID = "$(systemctl show --property=MainPID --value fleetsched-host.service)"

# Leaves the host as if no helper had ever been on it, for the tests that come after.
REMOVE = """
systemctl disable --now fleetsched-host.service
rm -rf /usr/libexec/fleetsched-host /etc/systemd/system/fleetsched-host.service /var/lib/fleetsched
systemctl daemon-reload
"""


@dataclass
class ManagedHost:
    """One host with its helper; `start` brings it to where each test begins."""

    connection: Connection
    objects: dict[str, bytes]
    digests: dict[str, str] = field(default_factory=dict)

    def client(self) -> HelperClient:
        client = open_helper(self.connection, "host")
        assert not isinstance(client, NoHelper)
        return client

    def shell(self, command: str, stdin: bytes = b"") -> str:
        completed = self.connection.run(["sh", "-c", command], stdin=stdin, timeout_s=180)
        assert completed.exit_code == 0, (command, completed)
        return completed.stdout.decode()

    def uptime_s(self) -> float:
        return float(self.shell(NOW))

    def assignment(self, policy: str, **parameters: int) -> Assignment:
        return Assignment.of(policy, "default", self.digests[policy], parameters)

    def start(self) -> None:
        """Nothing attached, nothing remembered, every object staged."""
        self.shell(
            "systemctl stop fleetsched-host.service && rm -rf /var/lib/fleetsched /etc/fleetsched"
            " && systemctl start fleetsched-host.service && dmesg --clear"
        )
        with self.client() as client:
            for name, image in self.objects.items():
                self.digests[name] = hashlib.sha256(image).hexdigest()
                client.stage(self.digests[name], image)

    def confirm(self, assignment: Assignment) -> Status:
        with self.client() as client:
            tried = client.try_(assignment, deadline_s=60, run="run-1", revision="abc")
            watch(client, CONFIRM_S)
            return client.confirm(tried.trial.id)

    def status(self) -> Status:
        with self.client() as client:
            return client.status()

    def history(self) -> tuple[HistoryEntry, ...]:
        with self.client() as client:
            return client.history()

    def wait_for(self, event: str, *, after: float = 0.0, within_s: float = 60) -> HistoryEntry:
        """The first entry of this kind that is newer than `after` (seconds of uptime)."""

        def first() -> HistoryEntry | None:
            try:
                entries = self.history()
            except (HelperError, UnreachableError):  # it is just being started again, or ended in the answer
                return None
            return next((e for e in entries if e.event == event and e.boottime_ms > after * 1000), None)

        entry = wait_until(first, within_s=within_s, what=f"{event} in the history")
        assert isinstance(entry, HistoryEntry)
        return entry

    def disabled_at(self, name: str) -> list[tuple[float, str]]:
        """When (seconds of uptime) and why the kernel let go of this scheduler, by its log.

        The log's own clock stands still while the host sleeps; a line of now tells how far it is behind.
        """
        *_, uptime, now = (
            self.shell(f"echo now > /dev/kmsg; {NOW}; dmesg | grep ' now$' | tail -n 1").strip().split("\n")
        )
        behind = float(uptime) - float(now.strip("[ ").partition("]")[0])
        pattern = rf'\[ *([\d.]+)\] sched_ext: BPF scheduler "{name}" disabled \((.*)\)'
        return [(float(time) + behind, why) for time, why in re.findall(pattern, self.shell("dmesg"))]


def watch(client: HelperClient, for_s: float, checks: tuple[str, ...] = ()) -> WatchEnd:
    """Look on until the time is over or the trial ends."""
    *_, end = client.watch(interval_s=max(for_s, 1.0), for_s=for_s, checks=checks)
    assert isinstance(end, WatchEnd)
    return end


@contextmanager
def managed_host(
    lab: RealLab, policies: Mapping[str, str], clean_up: str = "", number: int = -1
) -> Iterator[ManagedHost]:
    """A host of the lab, with its helper inside and without a trace of it afterwards.

    Args:
        lab: the running one.
        policies: folders within the project, by name.
        clean_up: shell commands for what else has to be put back, ended by a semicolon.
        number: which of the lab's hosts; the last where nothing is said.
    """
    host = read_inventory([lab.inventory], lab.inventory.parent).inventory.hosts[lab.hosts[number]]
    transport = SshTransport(SshDefaults(config_file=Path("/nonexistent")))
    objects = {name: compile_policy(PROJECT / folder, {}).image for name, folder in policies.items()}
    with transport.connect(host) as connection:
        install(connection, host.name, build_helper().read_bytes(), find_unit().read_bytes())
        managed = ManagedHost(connection, objects)
        yield managed
        managed.shell(f"{clean_up}{REMOVE}rm -rf /etc/fleetsched")
