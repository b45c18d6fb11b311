# SPDX-License-Identifier: Apache-2.0
"""Installing the helper: what is sent, and what each failure tells a person."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence

import pytest

from fleetsched.errors import HelperError
from fleetsched.helper.install import install, install_command
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Channel, Completed, Connection

ELF = b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + (62).to_bytes(2, "little") + b"code" * 1000
UNIT = b"[Service]\nExecStart=/usr/libexec/fleetsched-host serve\n"


class OneAnswer(Connection):
    """Answers the installer in one way."""

    def __init__(self, exit_code: int, stdout: str, stderr: str = "") -> None:
        self._completed = Completed(exit_code, stdout.encode(), stderr.encode())

    def open(self, command: Sequence[str]) -> Channel:
        raise NotImplementedError

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> Completed:
        return self._completed

    def close(self) -> None:
        pass


def test_the_command_names_digest_size_and_architecture_and_carries_the_unit() -> None:
    name, dash_c, script, *arguments = install_command(ELF, UNIT, "x86_64")
    assert (name, dash_c) == ("sh", "-c")
    assert arguments == ["fleetsched-install", hashlib.sha256(ELF).hexdigest(), "4", "x86_64", UNIT.decode()]
    subprocess.run(["sh", "-n", "-c", script], check=True)


@pytest.mark.parametrize(
    ("stdout", "message"),
    [
        (
            "not-root\nann\n",
            "web-1: the helper can only be installed by root, not by ann\n"
            "  let fleetsched use sudo there (`ansible_become: true`)",
        ),
        ("no-systemd\n", "web-1 is not run by systemd, which the helper's service needs"),
        (
            "wrong-arch\naarch64\n",
            "web-1 has the architecture aarch64, and the helper was built for x86_64\n"
            "  bring a helper built for aarch64",
        ),
        (
            "disk-full\n/usr/libexec\n",
            "web-1 has a full disk: no room for the helper in /usr/libexec\n  free some space there",
        ),
        (
            "write-failed\n/usr/libexec\n",
            "web-1: /usr/libexec cannot be written\n  is its file system read-only, or the file protected?",
        ),
        ("damaged\n", "web-1: the helper did not arrive intact; nothing was changed\n  try again"),
        (
            "not-started\nStarting\nfleetsched-host: no BTF\n",
            "web-1: the helper is installed and its service does not start: "
            "Starting / fleetsched-host: no BTF\n"
            "  look at `journalctl -u fleetsched-host` there",
        ),
        ("", "web-1: installing the helper failed with exit code 1: sh: df: not found"),
    ],
)
def test_what_a_person_reads(stdout: str, message: str) -> None:
    with pytest.raises(HelperError) as raised:
        install(OneAnswer(1, stdout, "sh: df: not found\n"), "web-1", ELF, UNIT)
    assert str(raised.value) == message


def test_only_an_elf_file_is_sent() -> None:
    with pytest.raises(ValueError, match=r"^the helper's binary is no ELF file$"):
        install(OneAnswer(0, "installed\n"), "web-1", b"#!/bin/sh\n", UNIT)


def test_the_second_installation_changes_nothing() -> None:
    host = SimulatedHost("web-1", installed=False)
    connection = SimulatedTransport({"web-1": host}).connect(Host("web-1", "web-1"))
    assert install(connection, "web-1", ELF, UNIT) is True
    assert install(connection, "web-1", ELF, UNIT) is False
    assert host.installed
