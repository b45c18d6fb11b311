# SPDX-License-Identifier: Apache-2.0
"""The C helper without a host of its own: a process here, in a mount namespace with an /etc of its own.

Nothing is attached: this machine's kernel need not have sched_ext. What needs no kernel is as on a host.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleetsched.helper.build import build_helper
from tests.real.conftest import wait_until

# As root in it, with what is to be in /etc/fleetsched, and with the ssh-keygen that is there, too.
_NAMESPACE = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
_SERVE = """
mount -t tmpfs none /etc && cp -r "$1" /etc/fleetsched && chmod -R go-w /etc/fleetsched || exit
[ ! -e "$1/ssh-keygen" ] || mount --bind "$1/ssh-keygen" /usr/bin/ssh-keygen || exit
cp -r "$3" /etc/ && [ -z "$4" ] || mount -t tmpfs -o "size=$4" none "$3" && cp -r /etc/state/. "$3" || exit
exec "$0" serve --socket "$2" --state "$3"
"""
_HANGING = "#!/bin/sh\nexec sleep 300\n"
_CHECK_S = 10.0
_MOST_LEFT = 16  # bpf/helper/child.h
_SPARE_OBJECTS = 16  # bpf/helper/journal.c

_PTRACE_DETACH, _PTRACE_SEIZE, _PTRACE_O_TRACEEXIT = 17, 0x4206, 0x40
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_LIBC.ptrace.restype = ctypes.c_long


@dataclass
class Client:
    """One connection; requests and answers are as in docs/helper-protocol.md."""

    connection: socket.socket

    def __post_init__(self) -> None:
        self.lines = self.connection.makefile("rb")

    def send(self, **request: Any) -> None:
        self.connection.sendall(json.dumps({"id": 1, **request}).encode() + b"\n")

    def read(self, within_s: float = 30) -> dict[str, Any]:
        self.connection.settimeout(within_s)
        answer = json.loads(self.lines.readline())
        assert isinstance(answer, dict)
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        self.send(**request)
        return self.read()

    def stage(self, image: bytes) -> dict[str, Any]:
        answer = self.ask(verb="stage", digest=hashlib.sha256(image).hexdigest(), size=len(image))
        if answer["result"] != {"present": False}:
            return answer
        self.connection.sendall(len(image).to_bytes(4, "big") + image)
        return self.read()

    def watch(self, *checks: str) -> None:
        self.send(verb="watch", interval_ms=60_000, for_ms=0, pressure=False, checks=list(checks))

    def close(self) -> None:
        self.lines.close()
        self.connection.close()


@dataclass
class Alone:
    """A helper that can be started again with the same state.

    Attributes:
        folder: has `etc` (its /etc/fleetsched), `state` and the socket.
        state_size: of a file system of its own for the state, such as `1m`; that ends with the process.
    """

    folder: Path
    state_size: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def state(self) -> Path:
        """The folder of the state as the helper sees it."""
        return Path(f"/proc/{self.pid}/root{self.folder}/state")

    @contextmanager
    def running(self) -> Iterator[Client]:
        """Serve, and give a first connection."""
        where = [str(self.folder / name) for name in ("etc", "socket", "state")]
        self.process = subprocess.Popen(
            [*_NAMESPACE, "sh", "-c", _SERVE, str(build_helper()), *where, self.state_size]
        )
        try:
            client = self.connect()
            yield client
            client.close()
        finally:
            self.process.terminate()
            try:
                assert self.process.wait(10) == 0
            finally:
                self.process.kill()
                self.process.wait()

    def connect(self) -> Client:
        def connected() -> Client | None:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.folder / "socket"))
            except OSError:
                connection.close()
                return None
            return Client(connection)

        client = wait_until(connected, within_s=20, what="the helper answers")
        assert isinstance(client, Client)
        return client

    def remembers(self, state: dict[str, Any]) -> None:
        (self.folder / "state" / "state.json").write_text(json.dumps(state))

    def children(self) -> list[int]:
        """Its children, also those that are dead and not reaped."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def add_check(self, name: str, text: str = _HANGING) -> None:
        check = self.folder / "etc" / "checks.d" / name
        check.write_text(text)
        check.chmod(0o755)


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    if subprocess.run([*_NAMESPACE, "mount", "-t", "tmpfs", "none", "/etc"], capture_output=True).returncode:
        # A container without user namespaces, say. Where everything has to run, that is a failure.
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no mount namespace can be made here")
    (tmp_path / "etc" / "checks.d").mkdir(parents=True)
    (tmp_path / "state").mkdir()
    return Alone(tmp_path)


@contextmanager
def cannot_die(*pids: int) -> Iterator[None]:
    """Hold processes in the middle of their end, as one stays that waits for a dead NFS server."""
    for pid in pids:
        held = _LIBC.ptrace(_PTRACE_SEIZE, pid, None, _PTRACE_O_TRACEEXIT)
        assert not held, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        for pid in pids:
            _LIBC.ptrace(_PTRACE_DETACH, pid, None, None)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leave no room in the file system of a folder."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    yield
    filler.unlink()


def is_held(pid: int) -> bool:
    """Whether a process that cannot die was killed."""
    return "State:\tt" in Path(f"/proc/{pid}/status").read_text()


def hanging(alone: Alone, count: int) -> list[int]:
    """The checks, once all of them run their program."""

    def started() -> list[int] | None:
        pids = alone.children()
        names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids]
        return pids if names.count("sleep") == count else None

    found = wait_until(started, within_s=20, what="the checks run")
    assert isinstance(found, list)
    return found


# --- children that do not die -------------------------------------------------------------------------------


def test_a_check_that_cannot_die_is_late_and_the_watch_goes_on(alone: Alone) -> None:
    alone.add_check("hangs")
    with alone.running() as client:
        began = time.monotonic()
        client.watch("hangs")
        (check,) = hanging(alone, 1)
        with cannot_die(check):
            event, end = client.read(), client.read()
            assert time.monotonic() - began < _CHECK_S + 3
            assert event["event"]["checks"] == {
                "hangs": {"status": "timeout", "exit_code": None, "output": ""}
            }
            assert end["result"]["ended"] == "time"
            assert client.ask(verb="status")["ok"]
            assert alone.children() == [check]


def test_a_client_that_goes_does_not_leave_the_helper_waiting_for_its_check(alone: Alone) -> None:
    alone.add_check("hangs")
    with alone.running() as client:
        other = alone.connect()
        other.watch("hangs")
        (check,) = hanging(alone, 1)
        with cannot_die(check):
            other.close()
            wait_until(lambda: is_held(check), within_s=10, what="the check is killed")
            assert client.ask(verb="status")["ok"]


def test_what_was_killed_is_reaped_soon(alone: Alone) -> None:
    alone.add_check("hangs")
    with alone.running():
        other = alone.connect()
        other.watch("hangs")
        hanging(alone, 1)
        other.close()
        wait_until(lambda: not alone.children(), within_s=5, what="its child is reaped")


def test_checks_that_cannot_die_are_not_started_without_end(alone: Alone) -> None:
    names = [f"hangs-{number}" for number in range(_MOST_LEFT)]
    for name in (*names, "one-more"):
        alone.add_check(name)
    with alone.running() as client:
        watching = [alone.connect(), alone.connect()]
        for number, other in enumerate(watching):
            other.watch(*names[number * 8 : number * 8 + 8])
        checks = hanging(alone, _MOST_LEFT)
        with cannot_die(*checks):
            for other in watching:
                other.close()
            wait_until(lambda: all(map(is_held, checks)), within_s=10, what="all are killed")
            client.watch("one-more")
            assert client.read()["event"]["checks"] == {
                "one-more": {
                    "status": "failed",
                    "exit_code": None,
                    "output": "cannot be started: Resource temporarily unavailable",
                }
            }


def test_a_verification_that_cannot_die_is_late_and_the_helper_goes_on(alone: Alone) -> None:
    etc = alone.folder / "etc"
    for name in ("allowed_signers", "group"):
        (etc / name).write_text("web\n")
    (etc / "ssh-keygen").write_text(_HANGING)
    (etc / "ssh-keygen").chmod(0o755)
    with alone.running() as client:
        client.send(
            verb="try",
            assignment={"policy": "fair", "variant": "default", "digest": "1" * 64, "parameters": {}},
            deadline_ms=60_000,
            run="r",
            revision="v",
            statement="{}",
            signature="none",
        )
        (child,) = hanging(alone, 1)
        with cannot_die(child):
            assert client.read()["error"]["code"] == "verify-timeout"
            assert client.ask(verb="status")["ok"]


# --- what it keeps ------------------------------------------------------------------------------------------


def test_an_object_that_was_just_staged_is_kept_also_when_the_clock_was_set_back(alone: Alone) -> None:
    with alone.running() as client:
        for number in range(_SPARE_OBJECTS + 1):
            client.stage(b"earlier %d" % number)
        objects = alone.state / "objects"
        for file in objects.iterdir():
            os.utime(file, (time.time() + 86_400,) * 2)
        new = [b"new 1", b"new 2"]
        staged = [client.stage(image)["result"]["staged"] for image in new]
        kept = {file.name for file in objects.iterdir()}
        assert staged == [True, True]
        assert kept >= {hashlib.sha256(image).hexdigest() for image in new}
        assert len(kept) == _SPARE_OBJECTS


def test_a_release_that_cannot_be_written_changes_nothing(alone: Alone) -> None:
    alone.state_size = "1m"
    with alone.running() as client:
        token = client.ask(verb="lease", owner="ann", ttl_ms=600_000)["result"]["token"]
        with full(alone.state):
            assert client.ask(verb="release", token=token)["error"]["code"] == "disk-full"
            assert client.ask(verb="status")["result"]["lease"]["owner"] == "ann"
        refused = client.ask(verb="lease", owner="ben", ttl_ms=600_000)["error"]
        assert (refused["code"], refused["detail"]["owner"]) == ("lease-held", "ann")
        assert client.ask(verb="release", token=token)["ok"]
        with full(alone.state):
            assert client.ask(verb="lease", owner="ben", ttl_ms=600_000)["error"]["code"] == "disk-full"
        assert client.ask(verb="status")["result"]["lease"] is None
        assert client.ask(verb="lease", owner="ben", ttl_ms=600_000)["result"]["token"] == token + 1


def test_a_hold_that_cannot_be_released_on_disk_stays(alone: Alone) -> None:
    held = {"policy": "fair", "variant": "default", "digest": "1" * 64, "parameters": {}}
    entry = {"assignment": held, "why": "health", "exit": None, "at": "2026-01-01T00:00:00Z"}
    alone.state_size = "1m"
    alone.remembers({"held": [entry]})
    with alone.running() as client:
        with full(alone.state):
            assert client.ask(verb="release", held=held)["error"]["code"] == "disk-full"
            assert client.ask(verb="status")["result"]["held"] == [entry]
        assert client.ask(verb="release", held=held)["ok"]
        assert client.ask(verb="status")["result"]["held"] == []


def test_a_line_of_the_history_that_was_cut_off_takes_no_other_with_it(alone: Alone) -> None:
    def starts(client: Client) -> list[int]:
        entries = client.ask(verb="history", limit=200)["result"]["entries"]
        return [entry["boottime_ms"] for entry in entries if entry["event"] == "service-start"]

    with alone.running() as client:
        first = starts(client)
    with (alone.folder / "state" / "history.jsonl").open("a") as file:
        file.write('{"at":"2026-11-26T16:')
    with alone.running() as client:
        second = starts(client)
    with alone.running() as client:
        third = starts(client)
    assert (len(first), second[:1], len(second), third[:2], len(third)) == (1, first, 2, second, 3)
