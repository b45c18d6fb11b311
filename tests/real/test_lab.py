# SPDX-License-Identifier: Apache-2.0
"""The lab itself, with real virtual machines: what it promises while it is up, and that nothing stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetsched.lab import is_lab_known_hosts
from fleetsched.lab.lock import machine_lock
from fleetsched.lab.paths import lab_folder, state_folder
from fleetsched.lab.processes import machine_processes

pytestmark = pytest.mark.lab

FLEETSCHED = Path(sys.executable).with_name("fleetsched")
NAME = f"lab-test-{os.getpid()}"
UP_S = 1500  # the first time ever it installs Debian and boots a template


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    """No other lab of this machine boots meanwhile, and afterwards nothing of ours is left."""
    with machine_lock():
        try:
            yield
        finally:
            fleetsched("down", check=False)


def command(*arguments: str) -> list[str]:
    return [str(FLEETSCHED), "lab", arguments[0], "--name", NAME, *arguments[1:]]


def fleetsched(
    *arguments: str, check: bool = True, cwd: Path = Path("/")
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=UP_S, cwd=cwd, stdin=subprocess.DEVNULL
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def on(host: str, script: str) -> str:
    return fleetsched("ssh", host, "--", script).stdout.strip()


def status() -> dict[str, Any]:
    (record,) = json.loads(fleetsched("status", "--json").stdout)
    return record


def until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.5)


def left_behind() -> list[str]:
    """Processes and files of this test's lab."""
    entries = state_folder().iterdir() if state_folder().is_dir() else ()
    files = [entry.name for entry in entries if NAME in entry.name]
    return files + [str(pid) for pid in machine_processes(lab_folder(NAME))]


IDENTITY = (
    "hostname; cat /etc/machine-id; cat /etc/ssh/ssh_host_*_key.pub; cat /proc/sys/kernel/random/boot_id"
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fleet repository around which a lab of two hosts is up."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "fleetsched.yaml").write_text("apiVersion: fleetsched/v1\n")
    fleetsched("up", "--hosts", "2", cwd=folder)
    yield folder
    fleetsched("down", check=False)


def test_hosts_run_sched_ext_and_differ_in_all_that_makes_a_host(repository: Path) -> None:
    first, second = (on(host, IDENTITY).splitlines() for host in ("lab-1", "lab-2"))
    assert [first[0], second[0]] == ["lab-1", "lab-2"]
    assert len(first) == len(second) == 6
    assert not set(first) & set(second)
    assert on("lab-1", "cat /sys/kernel/sched_ext/state; systemctl is-system-running") == "disabled\nrunning"


def test_clock_of_a_restored_host_is_the_controllers(repository: Path) -> None:
    before = time.time()
    guest = float(on("lab-2", "date +%s.%N"))
    assert before - 1 < guest < time.time() + 1


def test_users_can_do_what_their_names_say(repository: Path) -> None:
    assert on("ops@lab-1", "id -un; sudo -n id -un") == "ops\nroot"
    refused = fleetsched("ssh", "nosudo@lab-1", "--", "id -un; sudo -n id -un", check=False)
    assert refused.stdout == "nosudo\n"
    assert refused.returncode == 1
    assert "a password is required" in refused.stderr


def test_inventory_lies_in_the_fleet_repository_and_opens_the_hosts_by_itself(repository: Path) -> None:
    file = repository / "inventory" / "lab.yaml"
    assert status()["inventory"] == str(file)
    group = yaml.safe_load(file.read_text())["lab"]
    variables = group["vars"] | group["hosts"]["lab-2"]
    options = variables["ansible_ssh_common_args"].split()
    known_hosts = next(word.partition("=")[2] for word in options if word.startswith("UserKnownHostsFile="))
    assert is_lab_known_hosts(Path(known_hosts))
    ssh = subprocess.run(
        [
            *("ssh", "-F", "none", *options, "-i", variables["ansible_ssh_private_key_file"]),
            *("-p", str(variables["ansible_port"]), "-o", "BatchMode=yes"),
            *(f"{variables['ansible_user']}@{variables['ansible_host']}", "hostname"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ssh.returncode, ssh.stdout) == (0, "lab-2\n"), ssh.stderr


def test_hosts_listen_on_loopback_only(repository: Path) -> None:
    ports = {host["port"] for host in status()["hosts"]}
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    addresses = [line.split()[3] for line in listening.splitlines()]
    ours = {address for address in addresses if int(address.rpartition(":")[2]) in ports}
    assert ours == {f"127.0.0.1:{port}" for port in ports}


def test_up_again_changes_nothing_and_another_size_is_refused(repository: Path) -> None:
    before = status()
    again = fleetsched("up", "--hosts", "2", cwd=repository)
    assert again.stdout.startswith(f"lab {NAME} was up already: 2 hosts, ")
    other = fleetsched("up", "--hosts", "3", cwd=repository, check=False)
    assert other.returncode == 1
    assert other.stderr == (
        f"fleetsched: lab {NAME} is up with 2 hosts, not 3\n"
        f"  `fleetsched lab down --name {NAME}` takes it down; another --name makes a second lab.\n"
    )
    assert status() == before


def test_dead_host_is_reported_and_down_leaves_nothing(repository: Path) -> None:
    processes = {host["name"]: host["process"] for host in status()["hosts"]}
    os.kill(processes["lab-1"], signal.SIGKILL)
    until(lambda: status()["health"] == "broken", 30)
    assert "lab-1    127.0.0.1" in (shown := fleetsched("status").stdout)
    assert [line.split()[2] for line in shown.splitlines()[1:]] == ["ended", "running"]
    broken = fleetsched("up", "--hosts", "2", cwd=repository, check=False)
    assert broken.stderr.startswith(f"fleetsched: lab {NAME} is broken: lab-1 ended\n")

    assert fleetsched("down").stdout == f"lab {NAME} is down\n"
    assert left_behind() == []
    assert list((repository / "inventory").iterdir()) == []
    assert fleetsched("down").stdout == f"no lab {NAME} is up\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130), (signal.SIGTERM, 130)]
)
def test_up_that_is_ended_half_way_leaves_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    target = tmp_path / "inventory.yaml"
    log = tmp_path / "log"
    fleetsched("down")  # whatever an earlier test left up would end this `up` at once
    with (
        log.open("w") as out,
        subprocess.Popen(
            command("up", "--hosts", "2", "--inventory", str(target)), stdout=out, stderr=out, cwd="/"
        ) as starting,
    ):
        until(lambda: "lab-1: becoming a host of its own" in log.read_text(), UP_S)
        assert machine_processes(lab_folder(NAME))
        starting.send_signal(number)
        assert starting.wait(120) == code
    if number == signal.SIGKILL:
        # Its guard ends the machines at once; the next command sees to the rest.
        until(lambda: machine_processes(lab_folder(NAME)) == [], 60)
        assert fleetsched("status").stdout == "no lab is up\n"
    else:
        assert log.read_text().splitlines()[-1] == (
            f"fleetsched: interrupted by {number.name}: lab {NAME} was not started, and nothing of it is left"
        )
    assert left_behind() == []
    assert not target.exists()
