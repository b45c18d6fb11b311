# SPDX-License-Identifier: Apache-2.0
"""The helper's own state machine, socket and disk over a kernel that is files of a folder (see host.c)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from fleetsched.errors import FleetschedError
from fleetsched.helper import build
from fleetsched.helper.client import HelperClient
from fleetsched.model.assignment import Assignment
from fleetsched.model.inventory import Host
from fleetsched.model.state import Status
from fleetsched.transport.local import LocalTransport
from tests.real.conftest import wait_until
from tests.real.greeted import greeted

_WATCHDOG_S = 0.25  # twice the policies' timeout_ms, and a little
_REPLACED = ("loader.c", "lease.c", "preflight.c", "boost.c")
# Nothing of the machine that the tests run on is read or touched, its sysrq least of all.
_MOVED = {
    "/sys/kernel/sched_ext": "sched_ext",
    "/sys/devices/system/cpu/online": "online",
    "/etc/fleetsched/": "etc/",
    "/proc/sysrq-trigger": "sysrq-trigger",
}


def build_over_files(folder: Path, host: Path) -> bytes:
    """Build the helper for the host that the folder `host` is; in an empty folder."""
    toolchain = build.find_toolchain("x86_64")
    sources = folder / "bpf"
    shutil.copytree(toolchain.sources, sources)
    for name in _REPLACED:
        (sources / "helper" / name).unlink()
    text = Path(__file__).with_name("host.c").read_text(encoding="utf-8")
    (sources / "helper" / "host.c").write_text(f'#define HOST "{host}"\n{text}', encoding="utf-8")
    missing = set(_MOVED)
    for file in (sources / "helper").glob("*.c"):
        text = file.read_text(encoding="utf-8")
        for path, moved in _MOVED.items():
            missing -= {path} if f'"{path}' in text else set()
            text = text.replace(f'"{path}', f'"{host}/{moved}')
        file.write_text(text, encoding="utf-8")
    assert not missing
    target = folder / "out"
    target.mkdir()
    build.compile_helper(replace(toolchain, sources=sources), "x86_64", target)
    return (target / build.BINARY).read_bytes()


class HostOfFiles:
    """A host with two CPUs and a helper that is not started yet, in an empty folder."""

    def __init__(self, folder: Path, binary: bytes) -> None:
        self.folder, self.binary, self.path = folder, binary, folder / "fleetsched-host"
        self.path.write_bytes(binary)
        self.path.chmod(0o755)
        (folder / "sched_ext" / "root").mkdir(parents=True)
        (folder / "etc").mkdir()
        for name, text in {"enable_seq": "0", "hotplug_seq": "0", "switch_all": "1"}.items():
            self.write(f"sched_ext/{name}", text)
        self.write("online", "0-1")
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def start(self) -> None:
        """Start the helper, after a kernel that has let go whatever ran."""
        self.write("sched_ext/state", "disabled\n")
        self.write("sched_ext/root/ops", "")
        self._process = subprocess.Popen(
            [self.path, "serve", "--socket", self.folder / "socket", "--state", self.folder / "state"],
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        self.wait(self.status, "the helper answers")

    def end(self, signal_: signal.Signals = signal.SIGTERM) -> None:
        """End the helper, and with SIGKILL whatever it has started."""
        process, self._process = self._process, None
        if process and signal_ == signal.SIGKILL:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal_)
        elif process:
            process.send_signal(signal_)
        if process:
            process.wait(30)

    def client(self) -> HelperClient:
        here = LocalTransport().connect(Host("here", "127.0.0.1", connection="local", become=False))
        return greeted(here, self.path, self.folder / "socket")

    def status(self) -> Status:
        with self.client() as client:
            return client.status()

    def events(self) -> list[str]:
        with self.client() as client:
            return [entry.event for entry in client.history()]

    def confirm(self, name: str) -> None:
        """Make a policy the last known good."""
        with self.client() as client:
            trial = attempt(client, name)
            list(client.watch(interval_s=_WATCHDOG_S, for_s=_WATCHDOG_S))
            client.confirm(trial)

    def eject(self, name: str) -> None:
        """The kernel ejects it, and the helper can see that when it looks."""
        self.write(f"exit-{name}", "1026")
        self.write("sched_ext/root/ops", "")
        self.write("sched_ext/state", "disabled\n")

    def eject_unseen(self, name: str) -> None:
        """The kernel ejects it after the helper has looked for the last time: only the exit record tells."""
        self.write(f"exit-{name}", "1026")

    def break_disk(self) -> None:
        """No state can be written any more: a folder is where it is written first."""
        (self.folder / "state" / "state.json.tmp").mkdir()

    def mend_disk(self) -> None:
        """It can be written again."""
        (self.folder / "state" / "state.json.tmp").rmdir()

    def recorded(self) -> dict[str, Any]:
        """The state as it is on disk."""
        state: dict[str, Any] = json.loads((self.folder / "state" / "state.json").read_text())
        return state

    def wait(self, condition: object, what: str) -> None:
        """Wait for something that the helper does by itself; an answer that cannot be had yet is none."""
        assert callable(condition)

        def answered() -> object:
            with suppress(FleetschedError):
                return condition()
            return None

        wait_until(answered, within_s=45, what=what)


def policy(name: str) -> Assignment:
    """What runs the object that is this name."""
    return Assignment.of(name, "default", sha256(name.encode()).hexdigest(), {})


def stage(client: HelperClient, name: str) -> None:
    """Bring the object that is this name."""
    client.stage(policy(name).digest, name.encode())


def attempt(client: HelperClient, name: str) -> str:
    """Attach a policy on trial; returns the trial's id."""
    stage(client, name)
    return client.try_(policy(name), deadline_s=60, run=f"run-of-{name}", revision="abc").trial.id


def brief(status: Status) -> dict[str, object]:
    """What a host runs, and what it remembers of policies, by their names."""
    good, previous, voided, running = (
        value.assignment.policy if value else None
        for value in (status.last_known_good, status.previous, status.voided, status.running)
    )
    held = sorted(held.assignment.policy for held in status.held)
    return {"running": running, "good": good, "previous": previous, "voided": voided, "held": held}
