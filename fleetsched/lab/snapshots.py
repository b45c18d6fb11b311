# SPDX-License-Identifier: Apache-2.0
"""Going back to an earlier moment of a running machine: seconds instead of a boot.

A snapshot holds memory, devices and disk, and lives in the machine's own disk file. After `restore` the guest
goes on as if nothing had been: its monotonic clocks go on from the snapshot, its wall clock is behind, and
connections over the network from before are dead. The guest agent answers at once.
"""

from __future__ import annotations

from pathlib import Path

from fleetsched.errors import LabError
from fleetsched.lab import qemu
from fleetsched.lab.monitor import Monitor
from fleetsched.lab.processes import kill_machines, machine_process

_MOMENTS = ("-incoming", "-loadvm")
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
