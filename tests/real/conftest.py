# SPDX-License-Identifier: Apache-2.0
"""A lab of real virtual machines for the tests on real parts, one for the whole run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleetsched.lab.guard import Guard
from fleetsched.lab.lock import machine_lock
from fleetsched.lab.paths import lab_folder
from fleetsched.operations.lab import ssh_command
from tests.real import scene
from tests.real.shared import SharedLab

FLEETSCHED = Path(sys.executable).with_name("fleetsched")
PROJECT = Path(__file__).resolve().parents[2]
LAB = f"test-{os.getpid()}"


@dataclass(frozen=True)
class RealLab:
    """The running lab.

    Attributes:
        sockets: a folder for connections that commands share: a new one costs an emulated host two seconds.
    """

    name: str
    inventory: Path
    hosts: tuple[str, ...]
    sockets: Path

    def ssh(
        self, host: str, command: str, *, check: bool = True, timeout: float = 120, shared: bool = True
    ) -> str:
        """Run a shell command on a host and return what it printed.

        A shared connection does not notice that a host restarts, so what may see that takes one of its own.
        """
        options = ("ControlMaster=auto", "ControlPersist=yes") if shared else ("ControlPath=none",)
        answer = subprocess.run(
            [*self._client(host, *(word for option in options for word in ("-o", option))), command],
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        if check and answer.returncode:
            raise AssertionError(f"{host}: {command!r} returned {answer.returncode}: {answer.stderr}")
        return answer.stdout

    def ssh_everywhere(self, command: str, *, check: bool = True) -> None:
        """Run a shell command on all hosts at once."""
        with ThreadPoolExecutor(len(self.hosts)) as threads:
            list(threads.map(lambda host: self.ssh(host, command, check=check), self.hosts))

    def disconnect(self, host: str) -> None:
        """End the connection that commands share, if there is one."""
        subprocess.run(self._client(host, "-O", "exit"), check=False, capture_output=True, timeout=60)

    def _client(self, host: str, *options: str) -> list[str]:
        program, *words = ssh_command(self.name, host, [])
        return [program, *options, "-o", f"ControlPath={self.sockets / host}", *words]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share-lab", action="store_true", help="with -n: one lab, its hosts dealt to the workers"
    )


def pytest_configure(config: pytest.Config) -> None:
    workers = getattr(config.option, "dist", "no") != "no" and not hasattr(config, "workerinput")
    if workers and config.getoption("--share-lab"):
        config.pluginmanager.register(SharedLab(config, contextmanager(_lab)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what does not use the lab before it is up: its three guests take half a core even when idle."""
    items.sort(key=lambda item: "lab" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure how the lab's hosts are."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(lab, RealLab) and item.session.testsfailed < scene.MOST:
        report.sections += scene.describe(lab)
    return report


def bake_shortly(repository: Path) -> None:
    """Bake for as short as the policies' time-out allows: nothing but tests waits there."""
    manifest = repository / "manifests" / "lab.yaml"
    text = manifest.read_text(encoding="utf-8")
    assert text.count("bake: 15s") == 2
    manifest.write_text(text.replace("bake: 15s", "bake: 10s"), encoding="utf-8")


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[RealLab]:
    """Three hosts, up for the whole test run; no other lab of this machine starts in the meantime."""
    if shared := getattr(request.config, "workerinput", {}).get("lab"):
        name, inventory, hosts, sockets = shared
        yield RealLab(name, Path(inventory), hosts, Path(sockets))
        return
    with machine_lock(print):
        yield from _lab()


def _lab() -> Iterator[RealLab]:
    try:
        subprocess.run(
            [FLEETSCHED, "lab", "up", "--name", LAB, "--hosts", "3"], check=True, cwd="/", timeout=1500
        )
        answer = subprocess.run(
            [FLEETSCHED, "lab", "status", "--name", LAB, "--json"], check=True, capture_output=True, text=True
        )
        (record,) = json.loads(answer.stdout)
        hosts = tuple(host["name"] for host in record["hosts"])
        # However this process ends, the machines end with it. A socket's path may have 107 letters.
        with Guard(lab_folder(LAB)), tempfile.TemporaryDirectory(dir="/tmp") as sockets:
            lab = RealLab(LAB, Path(record["inventory"]), hosts, Path(sockets))
            yield lab
            for host in hosts:
                lab.disconnect(host)
    finally:
        subprocess.run([FLEETSCHED, "lab", "down", "--name", LAB], check=False)


def wait_until(condition: Callable[[], Any], *, within_s: float, what: str) -> Any:
    """Poll until `condition` gives something true; its bound is no measurement.

    Whatever a poll raises because a machine is restarting counts as "not yet".
    """
    end = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < end:
        try:
            if last := condition():
                return last
        except (AssertionError, subprocess.TimeoutExpired, OSError) as error:
            last = error
        time.sleep(0.5)
    raise AssertionError(f"not within {within_s:g} s: {what}; last seen: {last}")
