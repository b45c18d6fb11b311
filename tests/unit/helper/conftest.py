# SPDX-License-Identifier: Apache-2.0
"""Parts of the C helper that need no kernel, built by this machine's own compiler."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetsched.build.policy import compile_policy

HELPER = Path(__file__).resolve().parents[3] / "bpf" / "helper"
_REASON_BYTES = 256


@pytest.fixture(scope="session")
def inspect(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], str]:
    """What bpf/helper/inspect.c has against an object; empty when it allows it."""
    library = tmp_path_factory.mktemp("inspect") / "inspect.so"
    options = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    checks = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
    sources = sorted(str(file) for file in HELPER.glob("inspect*.c"))
    subprocess.run(["gcc", *options, *checks, *sources, "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).inspect
    function.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p)

    def inspect(image: bytes) -> str:
        reason = ctypes.create_string_buffer(_REASON_BYTES)
        refused = function(image, len(image), reason)
        assert bool(refused) == bool(reason.value)
        return reason.value.decode()

    return inspect


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Compile a source."""
    folder = tmp_path_factory.mktemp("policies") / "small"
    folder.mkdir()

    def compiled(source: str) -> bytes:
        (folder / "small.bpf.c").write_text(source)
        return compile_policy(folder, {}, cache=folder.parent / "cache").image

    return compiled
