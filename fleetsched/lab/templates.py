# SPDX-License-Identifier: Apache-2.0
"""A machine that has booted, stopped at the moment before it becomes one particular host."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleetsched.lab import qemu
from fleetsched.lab.accelerators import cpu_model
from fleetsched.lab.cache import cached, recipe_digest
from fleetsched.lab.guard import Guard
from fleetsched.lab.images import Image, guest_script
from fleetsched.lab.kernels import Kernel
from fleetsched.lab.monitor import GuestAgent
from fleetsched.lab.snapshots import end_into

_BOOT_S = 600.0  # 60 s under TCG on an idle machine
_READY_S = 300.0


@dataclass(frozen=True, slots=True)
class Template:
    """A snapshot to start hosts from; it holds no key and no authorized key.

    Args:
        image: what it was booted from, and what its hosts boot at a reboot.
        accelerator: it can only go on under the same one.
        disk: what the hosts' disks are the differences to.
        memory: the state of memory and devices.
    """

    image: Image
    accelerator: qemu.Accelerator
    disk: Path
    memory: Path


def build_template(image: Image, accelerator: qemu.Accelerator, say: Callable[[str], None]) -> Template:
    """The template for this image; booted now when it is not in the cache.

    Raises:
        LabError: the guest does not come up.
    """
    script = guest_script("template.sh")
    model = cpu_model() if accelerator == qemu.KVM else ""
    key = recipe_digest([image.key, script, qemu.version(), model, _machine_shape(accelerator)])

    def build(target: Path) -> None:
        say(f"booting kernel {image.kernel.release} once under {accelerator.name} (tcg: a minute or two)")
        work = target / "template"
        work.mkdir()
        with Guard(work):
            _boot_and_save(image, accelerator, work, script, target / "memory")
            shutil.move(qemu.disk_file(work), target / "disk.qcow2")

    folder = cached("templates", key, build)
    return Template(image, accelerator, folder / "disk.qcow2", folder / "memory")


def _machine_shape(accelerator: qemu.Accelerator) -> list[str]:
    """The command line of a machine less what differs from cache to cache."""
    kernel = Kernel("", Path("kernel"), Path("modules"))
    return qemu.machine_arguments(
        accelerator, Image("", kernel, Path("initramfs"), Path("disk")), Path("folder")
    )


def _boot_and_save(
    image: Image, accelerator: qemu.Accelerator, work: Path, script: str, memory: Path
) -> None:
    qemu.new_disk(image.disk, work)
    qemu.start(qemu.machine_arguments(accelerator, image, work), work)
    with GuestAgent(work, timeout_s=_BOOT_S) as agent:
        agent.run(script, timeout_s=_READY_S)
    end_into(work, memory)
