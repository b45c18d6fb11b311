# SPDX-License-Identifier: Apache-2.0
"""Whether this machine can run guests under KVM: found out once, by booting a kernel."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from fleetsched.errors import LabError
from fleetsched.lab import qemu
from fleetsched.lab.cache import recipe_digest
from fleetsched.lab.images import Image
from fleetsched.lab.initramfs import PROBE_ANSWER, PROBE_WORD
from fleetsched.lab.paths import cache_folder

_DEVICE = Path("/dev/kvm")
_PROBE_S = 20.0  # under KVM a kernel needs one or two


def choose_accelerator(image: Image, say: Callable[[str], None]) -> qemu.Accelerator:
    """KVM where this image's kernel boots under it, else TCG.

    A /dev/kvm that can be opened may still not boot a kernel, so nothing less than a boot is trusted. The
    answer is kept for this machine, processor, QEMU and kernel.
    """
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        if _DEVICE.exists():
            say(f"not using KVM, which is faster: no permission for {_DEVICE} (group kvm has it)")
        return qemu.TCG
    answer = (
        cache_folder()
        / "kvm"
        / recipe_digest([_machine_id(), cpu_model(), qemu.version(), image.kernel.release])
    )
    if not answer.exists():
        say("trying whether KVM works here")
        works = _boots(image)
        answer.parent.mkdir(parents=True, exist_ok=True)
        answer.write_text(json.dumps(works), encoding="utf-8")
        say(
            "KVM works" if works else "KVM does not boot a kernel here; guests run under TCG, which is slower"
        )
    return qemu.KVM if json.loads(answer.read_text(encoding="utf-8")) else qemu.TCG


def cpu_model() -> str:
    """The processor's name and revision, as the kernel prints them."""
    wanted = ("vendor_id", "cpu family", "model", "stepping", "microcode")
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    return " ".join(line for line in lines if line.startswith(wanted))


def _boots(image: Image) -> bool:
    """Whether a guest comes as far as its first program under KVM."""
    with tempfile.TemporaryDirectory(prefix="fleetsched-kvm-") as folder:
        console = Path(folder) / "console.log"
        command = [
            *qemu.boot_arguments(
                qemu.KVM, image.kernel.image, image.initramfs, f"{qemu.KERNEL_ARGUMENTS} {PROBE_WORD}"
            ),
            *("-no-reboot", "-serial", f"file:{console}"),
        ]
        try:
            # Its fate hangs on ours, and on the time limit: it must not boot for ever.
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
