# SPDX-License-Identifier: Apache-2.0
"""A transport whose hosts are simulated: what it carries is exactly what SSH would carry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from fleetsched.errors import UnreachableError
from fleetsched.helper.install import INSTALL_NAME
from fleetsched.helper.session import RPC_COMMAND
from fleetsched.helper.simulated.host import SimulatedHost
from fleetsched.helper.simulated.refusal import Refusal
from fleetsched.helper.simulated.server import Session
from fleetsched.helper.wire import HELPER_PATH, encode
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Channel, Completed, Connection, Transport


class SimulatedTransport(Transport):
    """Reaches hosts by their names in the inventory.

    Attributes:
        connects: the name of each host that was connected to, in order.
        commands: (host, command) of everything that was started, in order.
    """

    def __init__(self, hosts: Mapping[str, SimulatedHost]) -> None:
        self.connects: list[str] = []
        self.commands: list[tuple[str, tuple[str, ...]]] = []
        self._hosts = hosts

    def connect(self, host: Host) -> Connection:
        """Connect, unless the scenario says that this fails."""
        self.connects.append(host.name)
        simulated = self._hosts.get(host.name)
        if simulated is None:
            raise UnreachableError(f"{host.name}: the name {host.address} is not known")
        if simulated.connect_error:
            raise simulated.connect_error
        return SimulatedConnection(simulated, self.commands)


class SimulatedConnection(Connection):
    """An open connection; it is lost when the host reboots."""

    def __init__(self, host: SimulatedHost, commands: list[tuple[str, tuple[str, ...]]]) -> None:
        self._host = host
        self._commands = commands
        self._boots = host.boots
        self._closed = False

    def open(self, command: Sequence[str]) -> Channel:
        """Start the helper's rpc, which is all that a simulated host can run on a channel."""
        self._start(command)
        if tuple(command) != RPC_COMMAND:
            raise ValueError(f"a simulated host cannot run {command}")
        return SimulatedChannel(self._host)

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> Completed:
        """Run the installer, `echo`, or `true`."""
        self._start(command)
        host = self._host
        if host.become_error:
            raise host.become_error
        if command[0] in ("true", "echo"):
            said = " ".join(command[1:]).encode() + b"\n" if command[0] == "echo" else b""
            return Completed(0, b"" if host.restricted else said, b"")
        if INSTALL_NAME not in command:
            raise ValueError(f"a simulated host cannot run {command}")
        word = _install(host, command[-5:], stdin)
        return Completed(0 if word in ("installed", "unchanged", "kept") else 1, word.encode() + b"\n", b"")

    def close(self) -> None:
        """Close it."""
        self._closed = True

    def _start(self, command: Sequence[str]) -> None:
        self._commands.append((self._host.name, tuple(command)))
        if self._closed or self._boots != self._host.boots or self._host.connect_error:
            raise UnreachableError(f"{self._host.name}: the connection is lost")


class SimulatedChannel(Channel):
    """A connection to a simulated helper. Waiting for an answer is what makes the host's time go on."""

    def __init__(self, host: SimulatedHost) -> None:
        self._host = host
        self._lives = host.lives
        self._session = Session(host)
        self._closed = False

    def send(self, data: bytes) -> None:
        """Hand over bytes; the helper answers at once what it can."""
        with self._host.lock:
            if self._lost():
                raise UnreachableError(f"{self._host.name}: the connection is lost")
            if self._host.become_error is None and _unserved(self._host) is None:
                self._session.feed(data)

    def receive(self, timeout_s: float) -> bytes:
        """Return what the helper says, letting the host's time go on until it says something."""
        host = self._host
        with host.lock:
            if self._lost():
                return b""
            if host.become_error:
                raise host.become_error
            if (unserved := _unserved(host)) is not None:
                self._closed = True
                return unserved
            deadline = host.clock.now_ms() + round(timeout_s * 1000)
            while True:
                self._session.go_on()
                if output := self._session.take():
                    return output
                if self._session.closed:
                    return b""
                wake = self._session.wake()
                if wake is None or wake > deadline:
                    host.clock.advance(deadline - host.clock.now_ms())
                    raise TimeoutError
                host.clock.advance(wake - host.clock.now_ms())

    def stderr_tail(self) -> str:
        """Return what sudo says to a restricted key where there is no helper; the helper says nothing."""
        missing = self._host.restricted and not self._host.installed
        return f"sudo: {HELPER_PATH}: command not found" if missing else ""

    def close(self) -> None:
        """Close it."""
        self._closed = True

    def _lost(self) -> bool:
        return self._closed or self._lives != self._host.lives or self._host.connect_error is not None


def _unserved(host: SimulatedHost) -> bytes | None:
    """Return what the rpc command itself says when there is no helper to talk to."""
    if not host.installed and host.restricted:
        return b""
    if not host.installed:
        refusal = Refusal("no-helper", "the helper is not installed", detail=_machine(host))
    elif not host.serving:
        remedy = "look at `systemctl status fleetsched-host` there"
        refusal = Refusal("no-service", "the helper's service does not run", remedy=remedy)
    else:
        return None
    return encode({"id": 0, "ok": False, "error": refusal.to_wire()})


def _machine(host: SimulatedHost) -> dict[str, object]:
    return {
        "arch": host.arch,
        "kernel_release": host.kernel_release,
        "sched_ext": host.sched_ext,
        "systemd": True,
    }


def _install(host: SimulatedHost, arguments: Sequence[str], binary: bytes) -> str:
    digest, _, arch, unit, mode = arguments
    if arch != host.arch:
        return f"wrong-arch\n{host.arch}"
    if mode == "keep" and host.installed and host.serving:
        return "kept"
    if host.helper_files == (digest, unit) and host.installed and host.serving:
        return "unchanged"
    if host.disk_full:
        return "disk-full\n/usr/libexec"
    if hashlib.sha256(binary).hexdigest() != digest:
        return "damaged"
    host.helper_files = (digest, unit)
    replaced, host.installed, host.serving = host.installed, True, True
    if replaced:
        host.kill_helper()
    return "installed"
