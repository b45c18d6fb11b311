# SPDX-License-Identifier: Apache-2.0
"""Parts of the C helper that need no kernel, compiled as the helper is, but trapping undefined behaviour."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import ziglang

from fleetsched.build.policy import compile_policy

HELPER = Path(__file__).resolve().parents[3] / "bpf" / "helper"
_REASON_BYTES = 256


@pytest.fixture(scope="session")
def inspect(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], str]:
    """What bpf/helper/inspect.c has against an object; empty when it allows it."""
    folder = tmp_path_factory.mktemp("inspect")
    function = ctypes.CDLL(str(_build(folder))).inspect
    function.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p)

    def inspect(image: bytes) -> str:
        reason = ctypes.create_string_buffer(_REASON_BYTES)
        refused = function(image, len(image), reason)
        assert bool(refused) == bool(reason.value)
        return reason.value.decode()

    return inspect


def _build(folder: Path) -> Path:
    """Compile with the helper's compiler, whose headers are not the machine's; link with what Python uses."""
    zig = Path(ziglang.__file__).with_name("zig")
    options = ["-target", f"{platform.machine()}-linux-gnu", "-std=c11", "-D_GNU_SOURCE", "-O2", "-fPIC"]
    checks = ["-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-fsanitize-trap=undefined"]
    caches = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), str(folder / "zig"))
    objects = []
    for source in sorted(HELPER.glob("inspect*.c")):
        objects.append(folder / f"{source.stem}.o")
        argv = [zig, "cc", *options, *checks, "-c", source, "-o", objects[-1]]
        subprocess.run(argv, check=True, env={**os.environ, **caches})
    library = folder / "inspect.so"
    subprocess.run(["gcc", "-shared", *objects, "-o", library], check=True)
    return library


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Compile a policy's source."""
    folder = tmp_path_factory.mktemp("policies") / "small"
    folder.mkdir()

    def compiled(source: str) -> bytes:
        (folder / "small.bpf.c").write_text(source)
        return compile_policy(folder, {}, cache=folder.parent / "cache").image

    return compiled
