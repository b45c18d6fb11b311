# SPDX-License-Identifier: Apache-2.0
"""Going back to an earlier moment of a machine, and starting others from it: seconds instead of a boot.

A snapshot holds memory, devices and disk, and lives in the machine's own disk file. After `restore` the guest
goes on as if nothing had been: its monotonic clocks go on from the snapshot, its wall clock is behind, and
connections over the network from before are dead. The guest agent answers at once.
"""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from fleetsched.errors import LabError
from fleetsched.lab import qemu
from fleetsched.lab.monitor import Monitor
from fleetsched.lab.processes import kill_machines, machine_process, wait_for_end

_MOMENTS = ("-incoming", "-loadvm")
_SAVE_S = 300.0
_END_S = 60.0
_SNAPSHOT_S = 120.0  # 0.6 s of a guest of 768 MB on an idle machine


def save(folder: Path, name: str) -> None:
    """Keep this moment of the machine in `folder` as `name`; an older one of that name is replaced.

    Raises:
        LabError: no space, or QEMU refused.
    """
    with Monitor(folder) as monitor:
        monitor.command("stop")
        # The job that QMP has for this wants names of block nodes. This one says nothing when all is well.
        said = monitor.command(
            "human-monitor-command", timeout_s=_SNAPSHOT_S, **{"command-line": f"savevm {name}"}
        )
        if said.strip():
            raise LabError(f"{folder.name}: savevm {name}: {said.strip()}")
        monitor.command("cont")


def restore(folder: Path, name: str) -> None:
    """Bring the machine in `folder` back to the moment kept as `name`, in a new QEMU.

    Within one QEMU the time-stamp counter of an emulated CPU never goes back, whatever is loaded (seen with
    7.2): the guest would find that all the time since the snapshot had passed at once, and its watchdogs act.

    Raises:
        LabError: it does not run, there is no moment of this name, or QEMU refused.
    """
    process = machine_process(folder)
    if process is None:
        raise LabError(f"{folder.name}: the machine does not run")
    words = iter(Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")[:-1])
    arguments = []
    for word in words:
        if word in _MOMENTS:
            next(words)  # what it was started at
        else:
            arguments.append(word)
    kill_machines(folder)
    qemu.start([*arguments, "-loadvm", name], folder)
    with Monitor(folder) as monitor:
        monitor.command("cont")


def end_into(folder: Path, file: Path, *, memory: bool = True) -> None:
    """Keep the state of the machine in `folder` in a file, to start others from, and end it.

    Args:
        folder: the machine's.
        file: what QEMU's `-incoming` reads; it appears whole or not at all.
        memory: whether the memory goes there, too; a memory that is a file already need not.

    Raises:
        LabError: QEMU refused, does not end, or there is no space.
    """
    # QEMU reports success before `cat` has written its last bytes, so the file gets its name from the shell.
    unfinished = shlex.quote(f"{file}.unfinished")
    with Monitor(folder) as monitor:
        monitor.command("stop")
        if not memory:
            leave_memory_alone(monitor)
        monitor.command("migrate", uri=f"exec:cat > {unfinished} && mv {unfinished} {shlex.quote(str(file))}")
        monitor.wait_for("query-migrate", "completed", "failed", timeout_s=_SAVE_S)
        monitor.quit()
    wait_for_end(folder, timeout_s=_END_S)
    end = time.monotonic() + _END_S
    while not file.exists():
        if time.monotonic() > end:
            raise LabError(
                f"the state of {folder.name} was not saved", remedy="Is the disk of the cache full?"
            )
        time.sleep(0.1)  # what `mv` takes; nobody tells


def leave_memory_alone(monitor: Monitor) -> None:
    """Memory in files is neither written to the state nor read from it."""
    monitor.command(
        "migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}]
    )
