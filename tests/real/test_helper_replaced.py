# SPDX-License-Identifier: Apache-2.0
"""The C helper replacing itself, as a process of this machine: which helper comes up, whatever is sent.

A small supervisor does here what systemd does on a host: it starts the installed helper whenever it ends.
No policy is involved, so this needs neither root nor sched_ext; test_helper_upgrade.py is about hosts.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetsched.errors import FleetschedError, HelperError
from fleetsched.helper.build import find_helper
from fleetsched.helper.client import Hello, HelperClient
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Connection
from fleetsched.transport.local import LocalTransport
from tests.real.conftest import wait_until
from tests.real.greeted import greeted
from tests.real.upgrades import BABBLES, EXITS, HANGS, LISTENS, build_variant

_BOUND_S = 90.0  # the watcher gives a new helper 30 s


class Service:
    """Starts `fleetsched-host serve` whenever it is not there; what a helper leaves behind ends with it."""

    def __init__(self, folder: Path, binary: bytes) -> None:
        self.path = folder / "fleetsched-host"
        self.path.write_bytes(binary)
        self.path.chmod(0o755)
        self.socket, self.state = folder / "host.sock", folder / "state"
        self._folder = folder
        self._connection = _local()
        self._process: subprocess.Popen[bytes] | None = None
        self._on = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._on.set()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def power_cut(self) -> None:
        """Kill everything at once, and start nothing."""
        self._on.clear()
        assert self._process
        os.killpg(self._process.pid, signal.SIGKILL)
        self._thread.join()

    def client(self) -> HelperClient:
        return greeted(self._connection, self.path, self.socket)

    def hello(self) -> Hello:
        """Greet the helper, as soon as there is one."""

        def greet() -> Hello | None:
            with suppress(FleetschedError), self.client() as client:
                return client.greeting
            return None

        greeting = wait_until(greet, within_s=_BOUND_S, what="a helper answers")
        assert isinstance(greeting, Hello)
        return greeting

    def upgrade(self, binary: bytes, version: str = "0.1.0") -> bool:
        with self.client() as client:
            return client.upgrade(binary, version=version)

    def outcome(self) -> tuple[str, str]:
        """How the newest upgrade has ended, as soon as it has: event and detail."""

        def ended() -> tuple[str, str] | None:
            with suppress(FleetschedError), self.client() as client:
                entries = [entry for entry in client.history() if entry.event.startswith("upgrade")]
                if entries[-1].event != "upgrade":
                    return entries[-1].event, entries[-1].detail
            return None

        event, detail = wait_until(ended, within_s=_BOUND_S, what="the upgrade has ended")
        return event, detail

    def files(self) -> list[str]:
        return sorted(file.name for file in self._folder.glob("fleetsched-host*"))

    def _run(self) -> None:
        while self._on.is_set():
            self._process = subprocess.Popen(
                [self.path, "serve", "--socket", self.socket, "--state", self.state],
                start_new_session=True,
                stderr=subprocess.DEVNULL,
            )
            self._process.wait()
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)


@dataclass(frozen=True)
class Builds:
    """The helper, the same one with other bytes, a later version, and a broken one without its last byte."""

    now: bytes
    other: bytes
    later: bytes
    broken: bytes


def _local() -> Connection:
    return LocalTransport().connect(Host("here", "127.0.0.1", connection="local"))


def digest(binary: bytes) -> str:
    return hashlib.sha256(binary).hexdigest()


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    now = find_helper().read_bytes()
    later = build_variant(tmp_path_factory.mktemp("later"), "0.2.0")
    broken = build_variant(tmp_path_factory.mktemp("broken"), "0.2.0", broken=True)
    return Builds(now, now + b"\0", later, broken)


@pytest.fixture
def service(tmp_path: Path, builds: Builds) -> Iterator[Service]:
    service = Service(tmp_path, builds.now)
    service.start()
    service.hello()
    yield service
    service.power_cut()


def test_another_build_takes_over_and_the_one_before_is_kept(service: Service, builds: Builds) -> None:
    assert service.hello().sha256 == digest(builds.now)
    assert service.upgrade(builds.other) is True
    assert service.outcome() == ("upgraded", f"from 0.1.0 to 0.1.0, {digest(builds.other)[:12]}")
    assert service.hello().sha256 == digest(builds.other)
    assert service.files() == ["fleetsched-host", "fleetsched-host.previous"]
    assert service.path.read_bytes() == builds.other
    assert service.path.with_suffix(".previous").read_bytes() == builds.now
    assert service.path.stat().st_mode & 0o7777 == 0o755
    assert service.upgrade(builds.other) is False


def test_a_later_version_is_kept_over_a_restart_and_never_downgraded(
    service: Service, builds: Builds
) -> None:
    service.upgrade(builds.later, "0.2.0")
    assert service.outcome() == ("upgraded", f"from 0.1.0 to 0.2.0, {digest(builds.later)[:12]}")
    service.power_cut()
    service.start()
    assert service.hello().helper == "0.2.0"
    with pytest.raises(HelperError) as caught:
        service.upgrade(builds.now)
    assert str(caught.value) == (
        "here: helper 0.1.0 is older than 0.2.0, which has run on this host\n"
        "  bring a helper that is not older"
    )
    # Neither when the old one was put back by hand: the host remembers what it has run.
    service.power_cut()
    service.path.write_bytes(builds.now)
    service.start()
    assert service.hello().helper == "0.1.0"
    with pytest.raises(HelperError, match=r"is older than 0\.2\.0"):
        service.upgrade(builds.other)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        pytest.param(EXITS, "it ended, or the host went down, before it had answered", id="exits at once"),
        pytest.param(HANGS, "it did not answer in time", id="hangs"),
        pytest.param(LISTENS, "it did not answer in time", id="listens and says nothing"),
        pytest.param(BABBLES, "it does not speak the helper's protocol", id="answers garbage"),
    ],
)
def test_a_broken_helper_is_not_kept(service: Service, builds: Builds, how: bytes, why: str) -> None:
    binary = builds.broken + how
    service.upgrade(binary, "0.2.0")
    assert service.outcome() == ("upgrade-failed", f"to 0.2.0, {digest(binary)[:12]}: {why}; 0.1.0 is back")
    assert service.hello().sha256 == digest(builds.now)
    assert service.files() == ["fleetsched-host"]


def test_a_helper_that_is_another_than_was_said_is_not_kept(service: Service, builds: Builds) -> None:
    service.upgrade(builds.later, "0.3.0")
    event, detail = service.outcome()
    assert (event, detail.split(": ", 1)[1]) == (
        "upgrade-failed",
        "it says that it is another helper; 0.1.0 is back",
    )
    assert service.hello().sha256 == digest(builds.now)


@pytest.mark.parametrize("size", [100, 2000, -2000])
def test_a_truncated_helper_is_refused(service: Service, builds: Builds, size: int) -> None:
    with pytest.raises(HelperError) as caught:
        service.upgrade(builds.later[:size], "0.2.0")
    assert str(caught.value) == (
        "here: the bytes are no whole, static program for this architecture\n"
        "  bring a helper that was built for this host's architecture"
    )
    assert service.hello().sha256 == digest(builds.now)
    assert service.files() == ["fleetsched-host"]


def test_after_a_power_cut_before_the_proof_the_old_helper_comes_up(service: Service, builds: Builds) -> None:
    service.upgrade(builds.broken + HANGS, "0.2.0")
    assert service.files() == ["fleetsched-host", "fleetsched-host.new"]
    service.power_cut()
    service.start()
    assert service.hello().sha256 == digest(builds.now)
    assert service.outcome()[0] == "upgrade-failed"
    assert service.files() == ["fleetsched-host"]


def test_after_a_power_cut_beyond_the_proof_the_new_helper_comes_up(service: Service, builds: Builds) -> None:
    service.upgrade(builds.other)
    wait_until(lambda: "fleetsched-host.previous" in service.files(), within_s=_BOUND_S, what="it is kept")
    wait_until(lambda: "fleetsched-host.new" not in service.files(), within_s=_BOUND_S, what="it is kept")
    service.power_cut()
    service.start()
    assert service.hello().sha256 == digest(builds.other)
    assert service.outcome()[0] == "upgraded"
