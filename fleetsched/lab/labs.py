# SPDX-License-Identifier: Apache-2.0
"""Starting a lab, looking at it, and taking it down."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from fleetsched.errors import LabError
from fleetsched.lab import inventory, qemu, state
from fleetsched.lab.guard import Guard
from fleetsched.lab.identity import give_identity, make_key
from fleetsched.lab.lock import machine_lock, release, try_lock
from fleetsched.lab.monitor import GuestAgent, Monitor
from fleetsched.lab.paths import known_hosts_file, lab_folder
from fleetsched.lab.ports import free_ports
from fleetsched.lab.processes import machine_process
from fleetsched.lab.state import Lab, Machine, Stage
from fleetsched.lab.templates import Template

Say = Callable[[str], None]

_RESTORE_S = 120.0
_AGENT_S = 120.0
_SSH_S = 120.0


class Health(StrEnum):
    """What a look at a lab can find."""

    UP = "up"
    STARTING = "starting"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class LabStatus:
    """A lab and the process ids of its machines, None for one that does not run."""

    lab: Lab
    health: Health
    processes: tuple[int | None, ...]


def look(name: str) -> LabStatus | None:
    """The lab of this name as it is now, or None when there is none.

    What an `up` that was killed has left is deleted, and is then no lab.

    Raises:
        LabError: a left-over machine does not end.
    """
    if not lab_folder(name).exists() and not state.lock_file(name).exists():
        return None
    lab = state.load(name)
    if lab is None or lab.stage is Stage.STARTING:
        descriptor = try_lock(state.lock_file(name))
        if descriptor is not None:
            try:
                # Read again: whoever held the lock may just have finished.
                lab = state.load(name)
                if lab is None or lab.stage is Stage.STARTING:
                    state.sweep(lab_folder(name))
                    return None
            finally:
                release(state.lock_file(name), descriptor)
    if lab is None:
        return None
    processes = tuple(
        machine_process(state.machine_folder(lab.folder, machine.name)) for machine in lab.machines
    )
    if lab.stage is Stage.STARTING:
        return LabStatus(lab, Health.STARTING, processes)
    return LabStatus(lab, Health.UP if all(processes) else Health.BROKEN, processes)


def take_down(name: str) -> bool:
    """End the lab and delete everything of it.

    Returns:
        Whether there was one.

    Raises:
        LabError: it is being started right now, or a machine does not end.
    """
    folder = lab_folder(name)
    with _locked(name):
        was_there = folder.exists()
        state.sweep(folder)
    return was_there


def bring_up(name: str, count: int, prepare: Callable[[], Template], target: Path | None, say: Say) -> Lab:
    """Start a lab with `count` hosts; whatever stops this takes all of them down again.

    Args:
        name: of the lab; there is none of this name.
        count: how many hosts.
        prepare: makes the template, or finds it in the cache.
        target: where to write the inventory, beside the lab's own folder.
        say: told each step.

    Raises:
        LabError: a guest does not come up, no space, no port.
    """
    folder = lab_folder(name)
    with machine_lock(say), _locked(name) as lock:
        state.sweep(folder)
        if target:
            inventory.check_target(folder, target)
        template = prepare()
        folder.mkdir(parents=True, mode=0o700)
        with Guard(folder, lock=lock) as guard:
            machines = tuple(
                Machine(f"lab-{number}", port) for number, port in enumerate(free_ports(count), start=1)
            )
            lab = Lab(
                name,
                Stage.STARTING,
                template.image.kernel.release,
                template.accelerator.name,
                machines,
                target,
            )
            state.save(lab)
            key = state.key_file(folder)
            make_key(key, "ed25519", f"fleetsched-lab-{name}")
            for machine in machines:
                _start(
                    template,
                    folder,
                    machine,
                    key.with_suffix(".pub").read_text(encoding="ascii").strip(),
                    say,
                )
            _write_inventories(lab)
            lab = replace(lab, stage=Stage.UP)
            state.save(lab)
            guard.keep()
    return lab


def _write_inventories(lab: Lab) -> None:
    ports = {machine.name: machine.port for machine in lab.machines}
    text = inventory.inventory_text(lab.folder, ports, state.key_file(lab.folder))
    for target in filter(None, (lab.folder / "inventory.yaml", lab.inventory)):
        inventory.write_inventory(lab.folder, target, text)


def _start(template: Template, folder: Path, machine: Machine, authorized_key: str, say: Say) -> None:
    """Restore one host from the template and wait until its SSH server answers."""
    say(f"{machine.name}: restoring")
    own = state.machine_folder(folder, machine.name)
    own.mkdir(parents=True)
    qemu.new_disk(template.disk, own)
    arguments = qemu.machine_arguments(
        template.accelerator, template.image, own, port=machine.port, snapshot=template.memory
    )
    qemu.start(arguments, own)
    with Monitor(own) as monitor:
        # It was stopped when its state was saved, and is again when the state is loaded.
        monitor.wait_for("query-status", "paused", "internal-error", timeout_s=_RESTORE_S)
        monitor.command("cont")
    say(f"{machine.name}: becoming a host of its own")
    with GuestAgent(own, timeout_s=_AGENT_S) as agent:
        host_keys = give_identity(agent, own, authorized_key)
    with known_hosts_file(folder).open("a", encoding="ascii") as file:
        file.writelines(f"[127.0.0.1]:{machine.port} {key}\n" for key in host_keys)
    wait_for_ssh(machine, timeout_s=_SSH_S)
    say(f"{machine.name}: answers SSH on 127.0.0.1 port {machine.port}")


def wait_for_ssh(machine: Machine, *, timeout_s: float) -> None:
    """Wait until the machine's SSH server introduces itself: behind QEMU's network every port opens.

    Raises:
        LabError: it did not in `timeout_s` seconds.
    """
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", machine.port), timeout=10.0) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise LabError(f"{machine.name}: its SSH server does not answer on 127.0.0.1 port {machine.port}")


@contextmanager
def _locked(name: str) -> Iterator[int]:
    path = state.lock_file(name)
    descriptor = try_lock(path)
    if descriptor is None:
        raise LabError(
            f"lab {name} is being started or taken down by another process",
            remedy="Wait for it, or end it with Ctrl-C where it runs: it cleans up after itself.",
        )
    try:
        yield descriptor
    finally:
        release(path, descriptor)
