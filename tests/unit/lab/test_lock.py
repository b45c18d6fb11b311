# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fleetsched.lab.lock import machine_lock, release, try_lock

# Says whether the lock can be had, the way another process finds out.
TRY = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDONLY)
try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("held")
else:
    print("free")
"""
# Holds the lock until its standard input ends.
HOLD = """
import sys
from pathlib import Path
from fleetsched.lab.lock import machine_lock
with machine_lock(path=Path(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.read()
"""


def seen_by_another(path: Path) -> str:
    argv = [sys.executable, "-c", TRY, str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_machine_lock_keeps_other_processes_out_until_it_is_left(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with machine_lock(path=path):
        assert seen_by_another(path) == "held"
    assert seen_by_another(path) == "free"


def test_holder_and_its_children_enter_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with machine_lock(path=path), machine_lock(path=path):
        child = subprocess.run(
            [sys.executable, "-c", HOLD, str(path)],
            input="",
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert child.stdout == "holding\n"
        assert seen_by_another(path) == "held"
    assert "FLEETSCHED_LAB_LOCK_HELD" not in os.environ


def test_waiting_is_said_once_and_a_killed_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    said: list[str] = []
    argv = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "holding\n"

        def say(line: str) -> None:
            said.append(line)
            holder.kill()

        with machine_lock(say, path=path):
            assert said == ["waiting for another lab on this machine to finish starting or testing"]


def test_lock_file_can_be_locked_by_every_user(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    before = os.umask(0o077)
    try:
        with machine_lock(path=path):
            assert path.stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_lock_of_a_lab_is_exclusive_and_its_file_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    first = try_lock(path)
    assert first is not None
    assert try_lock(path) is None
    release(path, first)
    assert not path.exists()
    second = try_lock(path)
    assert second is not None
    release(path, second)
