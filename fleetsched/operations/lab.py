# SPDX-License-Identifier: Apache-2.0
"""The lab as a user works with it: up, status, ssh, down."""

from __future__ import annotations

import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from fleetsched.errors import InterruptedRunError, LabError, UsageError
from fleetsched.lab import labs, state
from fleetsched.lab.accelerators import Bootable, choose_accelerator
from fleetsched.lab.images import build_image
from fleetsched.lab.inventory import ssh_options
from fleetsched.lab.kernels import find_kernel, newest
from fleetsched.lab.labs import Health, LabStatus
from fleetsched.lab.paths import lab_folder
from fleetsched.lab.state import Lab
from fleetsched.lab.templates import Template, build_template
from fleetsched.model.wording import counted

DEFAULT_NAME = "lab"
_MOST_HOSTS = 32


@dataclass(frozen=True, slots=True)
class UpRequest:
    """What a user asked for.

    Args:
        hosts: how many.
        kernel: `7.3` or `7.3.4`; None for the lab's own choice.
        name: of the lab.
        inventory: where to write the inventory; None for the fleet repository around `cwd`, if there is one.
        cwd: where the user stands.
    """

    hosts: int
    kernel: str | None
    name: str
    inventory: Path | None
    cwd: Path


def up(request: UpRequest, say: Callable[[str], None]) -> tuple[Lab, bool]:
    """Bring a lab up, or find it up.

    Args:
        request: what is wanted.
        say: told each step, in one line.

    Returns:
        The lab, and whether it was started just now.

    Raises:
        UsageError: the request is impossible.
        LabError: the lab of this name differs or is broken, or starting it failed and left nothing.
        InterruptedRunError: Ctrl-C or SIGTERM; nothing of it is left.
    """
    lab_folder(request.name)  # refuses a name that cannot be one
    if not 1 <= request.hosts <= _MOST_HOSTS:
        raise UsageError(f"--hosts {request.hosts}: expected 1 to {_MOST_HOSTS}")
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise LabError("the lab runs on x86-64 Linux only", remedy="Other machines can manage real hosts.")
    found = labs.look(request.name)
    if found:
        return _as_requested(found, request), False
    target = request.inventory.absolute() if request.inventory else inventory_around(request.cwd)

    def prepare() -> Template:
        image = build_image(find_kernel(request.kernel, say), say)
        boot = Bootable(image.kernel.release, image.kernel.image, image.initramfs)
        return build_template(image, choose_accelerator(boot, say), say)

    with _interruptible(f"lab {request.name} was not started, and nothing of it is left"):
        return labs.bring_up(request.name, request.hosts, prepare, target, say), True


def status(name: str | None) -> list[LabStatus]:
    """All labs of this user, or the one of this name if there is one.

    Raises:
        LabError: what a killed `up` has left cannot be cleaned away.
    """
    names = [name] if name else state.names()
    return [found for found in map(labs.look, names) if found]


def ssh_command(name: str, host: str, command: Sequence[str]) -> list[str]:
    """The command line that opens a shell on a host of a lab, or runs `command` there.

    Raises:
        UsageError: there is no such lab or no such host.
    """
    found = labs.look(name)
    if not found:
        raise UsageError(f"there is no lab {name}", remedy="`fleetsched lab up` starts one.")
    lab = found.lab
    user, _, wanted = host.rpartition("@")
    machine = next((machine for machine in lab.machines if machine.name == wanted), None)
    if not machine:
        known = ", ".join(machine.name for machine in lab.machines)
        raise UsageError(f"lab {name} has no host {wanted}", remedy=f"It has: {known}.")
    return [
        *("ssh", "-F", "none", *ssh_options(lab.folder)),
        *("-o", "ConnectTimeout=60", "-o", "LogLevel=ERROR"),
        *("-i", str(state.key_file(lab.folder)), "-p", str(machine.port), f"{user or 'root'}@127.0.0.1"),
        *command,
    ]


def down(name: str) -> bool:
    """Take a lab down; whether there was one.

    Raises:
        LabError: another process is starting it.
    """
    return labs.take_down(name)


def inventory_around(cwd: Path) -> Path | None:
    """Where a fleet repository around `cwd` keeps the lab's inventory, or None outside of one."""
    for folder in (cwd, *cwd.parents):
        if (folder / "fleetsched.yaml").is_file():
            return folder / "inventory" / "lab.yaml"
    return None


def _as_requested(found: LabStatus, request: UpRequest) -> Lab:
    """The lab that is there, if it is what the user asks for."""
    lab = found.lab
    remedy = f"`fleetsched lab down --name {lab.name}` takes it down; another --name makes a second lab."
    if found.health is Health.STARTING:
        raise LabError(f"lab {lab.name} is being started by another process", remedy="Wait for it to finish.")
    if found.health is Health.BROKEN:
        dead = [
            machine.name for machine, pid in zip(lab.machines, found.processes, strict=True) if pid is None
        ]
        raise LabError(f"lab {lab.name} is broken: {', '.join(dead)} ended", remedy=remedy)
    if len(lab.machines) != request.hosts:
        raise LabError(
            f"lab {lab.name} is up with {counted(len(lab.machines), 'host')}, not {request.hosts}",
            remedy=remedy,
        )
    if request.kernel and not newest([lab.kernel], request.kernel):
        raise LabError(f"lab {lab.name} is up with kernel {lab.kernel}, not {request.kernel}", remedy=remedy)
    return lab


@contextmanager
def _interruptible(message: str) -> Iterator[None]:
    """Turn the signals that ask a program to end into an error, which cleans up on its way out."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise InterruptedRunError(f"interrupted by {signal.Signals(number).name}: {message}")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
