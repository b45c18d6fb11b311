# SPDX-License-Identifier: Apache-2.0
"""Starting QEMU."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from fleetsched.lab.images import Image
from fleetsched.lab.monitor import AGENT_SOCKET, CONSOLE_LOG, QMP_SOCKET
from fleetsched.lab.run import run

PROGRAM = "qemu-system-x86_64"
MEMORY_MIB = 768
CPUS = 2
# panic=-1: a guest whose kernel panics starts again at once, as a server with a watchdog would.
KERNEL_ARGUMENTS = "console=ttyS0 panic=-1 mitigations=off quiet net.ifnames=0 systemd.ssh_auto=no rw"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """How QEMU runs the guest's instructions: `kvm` (the CPU does) or `tcg` (a translator does)."""

    name: str

    @property
    def arguments(self) -> list[str]:
        """QEMU's words for it."""
        if self.name == "kvm":
            return ["-accel", "kvm", "-cpu", "host"]
        # Multi-threaded TCG panicked guests when a scheduler was attached under load; `-cpu max` is slower.
        # Left alone, the translated code of one guest grows to more than 1 GiB.
        return ["-accel", "tcg,thread=single,tb-size=256", "-cpu", "Nehalem"]


KVM = Accelerator("kvm")
TCG = Accelerator("tcg")


def version() -> str:
    """QEMU's version; a snapshot belongs to the version that made it.

    Raises:
        LabError: QEMU is not installed.
    """
    return run([PROGRAM, "--version"], timeout_s=60, what="find QEMU").splitlines()[0]


def boot_arguments(
    accelerator: Accelerator, kernel: Path, initramfs: Path, kernel_arguments: str
) -> list[str]:
    """The part of the command line that every guest has."""
    return [
        PROGRAM,
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *accelerator.arguments,
        *("-m", str(MEMORY_MIB), "-smp", str(CPUS)),
        *("-kernel", str(kernel), "-initrd", str(initramfs), "-append", kernel_arguments),
    ]


def machine_arguments(
    accelerator: Accelerator,
    image: Image,
    folder: Path,
    *,
    port: int | None = None,
    snapshot: Path | None = None,
) -> list[str]:
    """The whole command line of one machine.

    Args:
        accelerator: how its instructions run.
        image: what it boots, and boots again at a reboot.
        folder: where its disk is and its sockets and logs go; by it the process is found.
        port: on 127.0.0.1, forwarded to the guest's SSH server; None for none.
        snapshot: the state of memory and devices to start with; None to boot.
    """
    forward = f",hostfwd=tcp:127.0.0.1:{port}-:22" if port else ""
    return [
        *boot_arguments(accelerator, image.kernel.image, image.initramfs, KERNEL_ARGUMENTS),
        *("-name", folder.name),
        *("-pidfile", str(folder / "pid"), "-daemonize"),
        # `unsafe` only spares the controller's disk: what a guest has flushed survives the end of its QEMU.
        *(
            "-drive",
            f"file={escaped(disk_file(folder))},format=qcow2,if=none,id=disk,cache=unsafe,discard=unmap",
        ),
        *("-device", "virtio-blk-pci,drive=disk"),
        *("-netdev", f"user,id=net{forward}", "-device", "virtio-net-pci,netdev=net,romfile="),
        # Relative to where QEMU starts, because an address of a socket takes 107 bytes at most.
        *(
            "-chardev",
            f"socket,id=qmp,path={QMP_SOCKET},server=on,wait=off",
            "-mon",
            "chardev=qmp,mode=control",
        ),
        *(
            "-chardev",
            f"socket,id=agent,path={AGENT_SOCKET},server=on,wait=off",
            "-device",
            "virtio-serial-pci",
        ),
        *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        *(
            "-chardev",
            f"file,id=console,path={escaped(folder / CONSOLE_LOG)},append=on",
            "-serial",
            "chardev:console",
        ),
        *("-device", "virtio-rng-pci"),
        # Tells the guest's kernel that it goes on as another machine: it renews its random numbers.
        *("-device", "vmgenid,guid=auto"),
        *(("-incoming", f"exec:cat {shlex.quote(str(snapshot))}") if snapshot else ()),
    ]


def disk_file(folder: Path) -> Path:
    """The disk of the machine in `folder`."""
    return folder / "disk.qcow2"


def new_disk(backing: Path, folder: Path) -> None:
    """Make the disk of the machine in `folder`: what differs from `backing`, which must not change any more.

    Raises:
        LabError: no space, or qemu-img is not installed.
    """
    argv = [
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-F",
        "qcow2",
        "-b",
        str(backing),
        str(disk_file(folder)),
    ]
    run(argv, timeout_s=60, what=f"make the disk of {folder.name}")


def start(arguments: list[str], folder: Path) -> None:
    """Start a machine and return when QEMU has taken its port and files.

    Raises:
        LabError: QEMU refused; its words are in the message.
    """
    run(arguments, timeout_s=60, what=f"start {folder.name}", cwd=folder)


def escaped(path: Path) -> str:
    """A path as the value of an option."""
    return str(path).replace(",", ",,")
