# SPDX-License-Identifier: Apache-2.0
"""How many instructions the helper's observer takes at each wakeup and switch.

In a virtual machine whose clock is QEMU's count of instructions (`-icount shift=0`: one a nanosecond), so
what the kernel calls the run time of a BPF program is instructions. `--kernel 7.3` takes another kernel.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from fleetsched.helper.build import find_helper, find_toolchain
from fleetsched.lab.initramfs import cpio
from fleetsched.lab.kernels import find_kernel
from fleetsched.lab.lock import machine_lock
from fleetsched.lab.qemu import PROGRAM

SOURCE = Path(__file__).with_suffix(".c")
LIMIT_S = 600


def write_archive(file: Path) -> None:
    """An initramfs with the helper, and the program that measures it as the only process beside it."""
    init = file.with_name("init")
    zig = find_toolchain("x86_64").zig
    compiler = [zig, "cc", "-target", "x86_64-linux-musl", "-static", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*compiler, "-o", init, SOURCE], check=True)
    file.write_bytes(cpio((), {"init": init.read_bytes(), "helper": find_helper().read_bytes()}))


def measure(kernel: str | None) -> dict[str, tuple[float, int]]:
    """Instructions of one run, and runs, by program."""
    image = find_kernel(kernel, print).image
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "initramfs"
        write_archive(archive)
        argv = [PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        argv += ["-accel", "tcg,thread=single", "-cpu", "Nehalem", "-icount", "shift=0,sleep=off"]
        argv += ["-m", "512", "-smp", "1", "-kernel", str(image), "-initrd", str(archive)]
        argv += ["-serial", "stdio", "-append", "console=ttyS0 panic=-1 mitigations=off quiet"]
        with machine_lock(print):
            done = subprocess.run(
                argv, capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL
            )
    found = re.findall(r"PROGRAM (\w+) (\d+) (\d+)", done.stdout)
    if not found:
        raise SystemExit(f"nothing was measured:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return {name: (int(ns) / int(runs), int(runs)) for name, ns, runs in found}


if __name__ == "__main__":
    results = measure(sys.argv[2] if sys.argv[1:2] == ["--kernel"] else None)
    overhead = results.pop("nothing")[0]
    for program, (instructions, runs) in sorted(results.items()):
        if program.startswith("observe_"):
            print(f"{instructions - overhead:6.0f} instructions  {program} (mean of {runs:,} runs)")
    print(f"{overhead:6.0f} instructions  of measuring, taken off each")
