# SPDX-License-Identifier: Apache-2.0
"""The QEMU processes of a folder, found by their command line.

A process is a folder's when its arguments name a file in it. That needs no record that could be stale: a
process id that was used again is never taken for a machine, and a machine is found even if its starter died
before it wrote anything.
"""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path

from fleetsched.errors import LabError

_END_S = 10.0
_POLL_S = 0.1


def machine_process(folder: Path) -> int | None:
    """The process id of the machine in `folder`, or None when it does not run."""
    return next(iter(machine_processes(folder)), None)


def machine_processes(folder: Path) -> list[int]:
    """The process ids of all machines in or under `folder`."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _belongs(entry, folder)
    ]


def kill_machines(folder: Path) -> None:
    """End all machines in or under `folder` and wait until they are gone.

    Raises:
        LabError: one does not go.
    """
    for pid in machine_processes(folder):
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            # The id may have found a new owner before we had the handle.
            if _belongs(Path("/proc") / str(pid), folder):
                _end(handle, pid)
        finally:
            os.close(handle)


def wait_for_end(folder: Path, *, timeout_s: float) -> None:
    """Wait until no machine in or under `folder` runs any more.

    Raises:
        LabError: one still runs after `timeout_s` seconds.
    """
    end = time.monotonic() + timeout_s
    while pids := machine_processes(folder):
        if time.monotonic() > end:
            raise LabError(f"{folder.name}: process {pids[0]} does not end by itself")
        time.sleep(_POLL_S)


def _end(handle: int, pid: int) -> None:
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([handle], [], [], _END_S)
    if not ended:
        raise LabError(f"process {pid} does not end", remedy="It waits in the kernel, perhaps for a disk.")


def _belongs(process: Path, folder: Path) -> bool:
    try:
        arguments = (process / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    if not arguments[0].rpartition(b"/")[2].startswith(b"qemu-system"):
        return False
    prefix = os.fsencode(folder) + b"/"
    return any(argument.startswith(prefix) for argument in arguments)
