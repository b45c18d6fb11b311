# SPDX-License-Identifier: Apache-2.0
"""Installing the helper: what is sent, and what each failure tells a person."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

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
    name, dash_c, script, *arguments = install_command(ELF, UNIT, "x86_64", replace=False)
    assert (name, dash_c) == ("sh", "-c")
    digest = hashlib.sha256(ELF).hexdigest()
    assert arguments == ["fleetsched-install", digest, "4", "x86_64", UNIT.decode(), "keep"]
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


def test_another_helper_that_answers_is_kept_where_that_is_asked_for() -> None:
    host = SimulatedHost("web-1", installed=False)
    connection = SimulatedTransport({"web-1": host}).connect(Host("web-1", "web-1"))
    install(connection, "web-1", ELF, UNIT)
    assert install(connection, "web-1", ELF + b"other", UNIT, replace=False) is False
    assert host.helper_files == (hashlib.sha256(ELF).hexdigest(), UNIT.decode())


# What the script asks of a host, as root; `systemctl restart` alone leaves a trace.
_TOOLS = {
    "id": "echo 0",
    "uname": "echo x86_64",
    "chown": ":",
    "restorecon": ":",
    "systemctl": """case "$*" in *restart*) echo restart >>"$FOLDER/restarts";; *is-failed*) exit 1;; esac""",
}
_LIMIT_S = 60


class Scripted:
    """The script itself, in a folder instead of on a host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in (
            "run/systemd/system",
            "etc/systemd/system",
            "usr/libexec",
            "var/lib",
            "run/fleetsched",
            "bin",
        ):
            (folder / name).mkdir(parents=True)
        for name, body in _TOOLS.items():
            tool = folder / "bin" / name
            tool.write_text(f"#!/bin/sh\nFOLDER={folder}\n{body}\n")
            tool.chmod(0o755)
        self.socket = folder / "run/fleetsched/host.sock"

    def start(self, binary: bytes, *, replace: bool = False) -> subprocess.Popen[bytes]:
        sh, dash_c, script, *arguments = install_command(binary, UNIT, "x86_64", replace=replace)
        for place in ("/run/", "/etc/systemd", "/usr/libexec", "/var/lib"):
            script = script.replace(place, f"{self._folder}{place}")
        sent = self._folder / hashlib.sha256(binary).hexdigest()
        sent.write_bytes(binary)
        with sent.open("rb") as stdin:
            return subprocess.Popen(
                [sh, dash_c, script, *arguments],
                env={"PATH": f"{self._folder}/bin:/usr/bin:/bin"},
                stdin=stdin,
                stdout=subprocess.PIPE,
            )

    def restarts(self) -> int:
        file = self._folder / "restarts"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def waits(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether it waits for another one, or has not."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        names = [Path(f"/proc/{child}/comm").read_text().strip() for child in children]
        return "flock" in names or self.restarts() > 1


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One whose name leaves a socket's path short enough."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def test_two_installations_at_once_come_one_after_the_other(folder: Path) -> None:
    host = Scripted(folder)
    first = host.start(ELF)
    wait_until(lambda: host.restarts() == 1)
    second = host.start(ELF + b"other")
    wait_until(lambda: host.waits(second))

    with closing(socket.socket(socket.AF_UNIX)) as helper:
        helper.bind(str(host.socket))
        said = [process.communicate()[0] for process in (first, second)]

    assert said == [b"installed\n", b"kept\n"]
    assert host.restarts() == 1
    assert (folder / "usr/libexec/fleetsched-host").read_bytes() == ELF
