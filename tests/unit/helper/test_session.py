# SPDX-License-Identifier: Apache-2.0
"""Opening a helper: one connection, one exec, whatever there is on the host."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

import pytest

from fleetsched.errors import BecomeError, HelperError
from fleetsched.helper.client import Hello, HelperClient
from fleetsched.helper.session import RPC_COMMAND, NoHelper, is_restricted, open_helper
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Channel, Completed, Connection


def open_on(host: SimulatedHost) -> tuple[HelperClient | NoHelper, SimulatedTransport]:
    transport = SimulatedTransport({host.name: host})
    return open_helper(transport.connect(Host(host.name, host.name)), host.name), transport


def test_a_host_with_a_helper_costs_one_exec() -> None:
    client, transport = open_on(SimulatedHost("web-1"))
    assert isinstance(client, HelperClient)
    host = SimulatedHost("web-1")
    assert client.greeting == Hello(2, "0.1.0", host.boot_id(), host.sha256)
    client.status()
    client.facts()
    assert (transport.connects, transport.commands) == (["web-1"], [("web-1", RPC_COMMAND)])


def test_a_host_without_a_helper_costs_one_exec_too() -> None:
    host = SimulatedHost("web-1", installed=False, sched_ext=False, kernel_release="6.12.107")
    found, transport = open_on(host)
    assert found == NoHelper("x86_64", "6.12.107", sched_ext=False, systemd=True)
    assert len(transport.commands) == 1


def test_a_helper_whose_service_is_down_is_an_error() -> None:
    with pytest.raises(HelperError, match=r"^web-1: the helper's service does not run") as raised:
        open_on(SimulatedHost("web-1", serving=False))
    assert raised.value.code == "no-service"


def test_a_sudo_that_refuses_is_an_error() -> None:
    refusing = SimulatedHost("web-1", become_error=BecomeError("sudo on web-1 asks for a password"))
    with pytest.raises(BecomeError, match=r"^sudo on web-1 asks for a password$"):
        open_on(refusing)


def test_a_restricted_key_needs_no_option() -> None:
    client, transport = open_on(SimulatedHost("web-1", restricted=True))
    assert isinstance(client, HelperClient)
    connection = transport.connect(Host("web-1", "web-1"))
    assert is_restricted(connection)
    assert not is_restricted(open_on(SimulatedHost("web-1"))[1].connect(Host("web-1", "web-1")))


def test_a_restricted_key_cannot_say_more_than_that_there_is_no_helper() -> None:
    found, _ = open_on(SimulatedHost("web-1", restricted=True, installed=False))
    assert found == NoHelper("", "", sched_ext=True, systemd=True, restricted=True)


class PasswordFirst(Channel):
    """What a restricted key does with the line that sudo should have read."""

    def send(self, data: bytes) -> None:
        pass

    def receive(self, timeout_s: float) -> bytes:
        message = "the line is no request: '[' or '{' expected near 'secret'"
        error = {"code": "bad-request", "message": message}
        return json.dumps({"id": 0, "ok": False, "error": error}).encode() + b"\n"

    def stderr_tail(self) -> str:
        return ""

    def close(self) -> None:
        pass


class OneChannel(Connection):
    """Opens it."""

    def open(self, command: Sequence[str]) -> Channel:
        return PasswordFirst()

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> Completed:
        raise NotImplementedError

    def close(self) -> None:
        pass


def test_a_password_that_came_to_the_helper_is_told_and_not_shown() -> None:
    with pytest.raises(HelperError) as raised:
        open_helper(OneChannel(), "web-1")
    assert str(raised.value) == (
        "web-1: the key is restricted, and the password for sudo came to the helper instead\n"
        "  write `ansible_become: false` for this host: its key needs no password"
    )


def test_the_command_is_a_script_that_a_posix_shell_can_read() -> None:
    subprocess.run(["sh", "-n", "-c", RPC_COMMAND[2]], check=True)


def test_the_script_writes_a_line_of_the_protocol_where_no_helper_is() -> None:
    script = RPC_COMMAND[2].replace("/usr/libexec/fleetsched-host", "/nonexistent/helper")
    completed = subprocess.run(["sh", "-c", script], input=b"greeting\n", check=True, capture_output=True)
    answer = json.loads(completed.stdout)
    assert (answer["id"], answer["ok"], answer["error"]["code"]) == (0, False, "no-helper")
    assert answer["error"]["detail"].keys() == {"arch", "kernel_release", "sched_ext", "systemd"}
