# SPDX-License-Identifier: Apache-2.0
"""Scheduler programs for tests, built with the helper's toolchain: static, so that they run on every host."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

from fleetsched.helper.build import find_toolchain

_SOURCE = Path(__file__).with_name("scheduler.c")


@cache
def build_scheduler() -> bytes:
    """Compile and link scheduler.c; its head says what it can be told to do."""
    toolchain = find_toolchain("x86_64")
    library = toolchain.sysroot / "usr/lib/x86_64-linux-gnu"
    gcc = toolchain.sysroot / "usr/lib/gcc/x86_64-linux-gnu/14"
    include = toolchain.sysroot / "usr/include"
    with tempfile.TemporaryDirectory() as folder:
        built, linked = Path(folder) / "scheduler.o", Path(folder) / "scheduler"
        shim = Path(folder) / "shim.o"
        compiler = [
            *(toolchain.zig, "cc", "-target", "x86_64-linux-gnu", "-std=c11", "-D_GNU_SOURCE", "-O2", "-g0"),
            *("-fno-sanitize=undefined", "-Wall", "-Wextra", "-Werror", "-nostdinc"),
            *("-isystem", toolchain.zig.parent / "lib/include", "-isystem", include / "x86_64-linux-gnu"),
            *("-isystem", include),
        ]
        environment = {"ZIG_GLOBAL_CACHE_DIR": f"{folder}/zig", "ZIG_LOCAL_CACHE_DIR": f"{folder}/zig"}
        for source, target in ((_SOURCE, built), (toolchain.sources / "helper/elf_shim.c", shim)):
            subprocess.run([*compiler, "-c", source, "-o", target], check=True, env=environment)
        subprocess.run(
            [
                *(toolchain.zig, "ld.lld", "-static", "--gc-sections", "-s", "--build-id=none", "-o", linked),
                *(library / "crt1.o", library / "crti.o", gcc / "crtbeginT.o", built, shim),
                *(f"-L{library}", f"-L{gcc}", "-lbpf", "-lelf", "-lz", "-lzstd"),
                *("--start-group", "-lgcc", "-lgcc_eh", "-lc", "--end-group"),
                *(gcc / "crtend.o", library / "crtn.o"),
            ],
            check=True,
            env=environment,
        )
        return linked.read_bytes()
