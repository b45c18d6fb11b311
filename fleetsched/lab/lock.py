# SPDX-License-Identifier: Apache-2.0
"""Locks by flock(2): the kernel drops them with their holder, so a crash never leaves one behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# A fixed path and not the user's TMPDIR: guests slow each other down whoever started them.
MACHINE_LOCK = Path("/tmp/fleetsched-lab.lock")  # noqa: S108

# Set for the holder's children, so that a test run that holds the lock can run `fleetsched lab up`.
_HELD = "FLEETSCHED_LAB_LOCK_HELD"


@contextmanager
def machine_lock(say: Callable[[str], None] | None = None, *, path: Path = MACHINE_LOCK) -> Iterator[None]:
    """Hold the one lab lock of this machine: nothing else boots a guest, and no other lab test runs.

    A process whose ancestor holds the lock enters at once.

    Args:
        say: told, once, when the lock is taken and this process has to wait.
        path: another lock file, for the tests of the lock itself.
    """
    if os.environ.get(_HELD) == str(path):
        yield
        return
    descriptor = _open(path, shared=True)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if say:
                say("waiting for another lab on this machine to finish starting or testing")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.environ[_HELD] = str(path)
        try:
            yield
        finally:
            del os.environ[_HELD]
    finally:
        os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """Take the lock `path`, which `release` deletes.

    Returns:
        The descriptor that holds the lock until every copy of it is closed; None when somebody else has it.
    """
    while True:
        descriptor = _open(path, shared=False)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # The holder before us may have deleted the file that we opened.
        if _same_file(descriptor, path):
            return descriptor
        os.close(descriptor)


def release(path: Path, descriptor: int) -> None:
    """Delete the lock file and let go of it."""
    path.unlink(missing_ok=True)
    os.close(descriptor)


def _open(path: Path, *, shared: bool) -> int:
    """Open for locking only: reading is enough, so that every user can lock a file that another one made."""
    while True:
        try:
            # Without O_CREAT: fs.protected_regular refuses it on another user's file in a sticky folder.
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            continue
        if shared:
            os.fchmod(descriptor, 0o644)  # whatever the umask says
        return descriptor


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        at_path = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), at_path)
