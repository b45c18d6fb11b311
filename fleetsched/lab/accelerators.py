# SPDX-License-Identifier: Apache-2.0
"""Whether this machine can run guests under KVM: found out once, by booting a kernel."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import LabError
from fleetsched.lab import qemu
from fleetsched.lab.cache import cached, recipe_digest
from fleetsched.lab.initramfs import PROBE_ANSWER, PROBE_WORD

_DEVICE = Path("/dev/kvm")
_ANSWER = "works.json"
_PROBE_S = 20.0  # under KVM a kernel needs one or two


@dataclass(frozen=True, slots=True)
class Bootable:
    """A kernel with a first file system that answers the probe of initramfs.py."""

    release: str
    kernel: Path
    initramfs: Path


def choose_accelerator(boot: Bootable, say: Callable[[str], None]) -> qemu.Accelerator:
    """KVM where this kernel boots under it, else TCG.

    A /dev/kvm that can be opened may still not boot a kernel, so nothing less than a boot is trusted. The
    answer is kept for this machine, processor, QEMU and kernel.
    """
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        if _DEVICE.exists():
            say(f"not using KVM, which is faster: no permission for {_DEVICE} (group kvm has it)")
        return qemu.TCG

    def probe(target: Path) -> None:
        say("trying whether KVM works here")
        works = _boots(boot, target / "console.log")
        say(
            "KVM works" if works else "KVM does not boot a kernel here; guests run under TCG, which is slower"
        )
        (target / _ANSWER).write_text(json.dumps(works), encoding="utf-8")

    key = recipe_digest([_machine_id(), cpu_model(), qemu.version(), boot.release])
    works = json.loads((cached("kvm", key, probe) / _ANSWER).read_text(encoding="utf-8"))
    return qemu.KVM if works else qemu.TCG


def cpu_model() -> str:
    """The processor's name and revision, as the kernel prints them."""
    wanted = ("vendor_id", "cpu family", "model", "stepping", "microcode")
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    return " ".join(line for line in lines if line.startswith(wanted))


def _boots(boot: Bootable, console: Path) -> bool:
    """Whether a guest comes as far as its first program under KVM."""
    arguments = f"{qemu.KERNEL_ARGUMENTS} {PROBE_WORD}"
    command = [
        *qemu.boot_arguments(qemu.KVM, boot.kernel, boot.initramfs, arguments),
        *("-no-reboot", "-serial", f"file:{console}"),
    ]
    try:
        # It ends with us, and at the time limit: a kernel that fails under KVM may hang or restart for ever.
        subprocess.run(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PROBE_S,
        )
    except subprocess.TimeoutExpired:
        pass
    except FileNotFoundError as error:
        raise LabError("cannot run setpriv", remedy="Install the package util-linux.") from error
    return console.exists() and PROBE_ANSWER in console.read_text(encoding="utf-8", errors="replace")


def _machine_id() -> str:
    file = Path("/etc/machine-id")
    return file.read_text(encoding="ascii").strip() if file.exists() else ""
