# SPDX-License-Identifier: Apache-2.0
"""The programs of a workload: one C source each to a static executable, through a cache by content."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

from fleetsched.build.compiler import Compiler, find_compiler
from fleetsched.errors import BuildError
from fleetsched.files import replace_file

# Static, so that it runs on every host; musl, because the compiler brings its source along.
_FLAGS = (
    "-static",
    "-O2",
    "-std=gnu11",
    "-D_GNU_SOURCE",
    "-Wall",
    "-Wextra",
    "-fno-sanitize=undefined",
    "-s",
)
_LIBRARIES = ("-lm", "-lpthread")
_TIME_LIMIT_S = 1200  # the first one compiles the C library, too: a minute on two idle cores
_SHOWN_LINES = 8


def compile_program(name: str, source: str, arch: str = "x86_64", *, cache: Path | None = None) -> bytes:
    """Compile one program, or take it from the cache when exactly this was compiled before.

    Args:
        name: of the program, for messages.
        source: text of its only source file.
        arch: as `uname -m` says it.
        cache: folder of the cache; default: `programs` in the user's cache folder.

    Raises:
        BuildError: it does not compile; the message has the compiler's first lines.
    """
    compiler = find_compiler()
    folder = cache or user_cache_path("fleetsched") / "programs"
    parts = (compiler.version, arch, *_FLAGS, *_LIBRARIES, source)
    entry = folder / hashlib.sha256("\0".join(parts).encode()).hexdigest()
    if not entry.is_file():
        image = _compile(name, source, arch, compiler)
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(entry, image)
    return entry.read_bytes()


def _compile(name: str, source: str, arch: str, compiler: Compiler) -> bytes:
    with tempfile.TemporaryDirectory(prefix="fleetsched-program-") as work:
        root = Path(work)
        file = f"{name}.c"
        (root / file).write_text(source, encoding="utf-8")
        arguments = ["-target", f"{arch}-linux-musl", *_FLAGS, "-o", "program", file, *_LIBRARIES]
        # Compiling the C library takes seconds: it is kept, unlike the policies' compiler's cache.
        kept = str(user_cache_path("fleetsched") / "zig")
        try:
            done = subprocess.run(
                [str(compiler.executable), "cc", *arguments],
                cwd=root,
                env={"ZIG_GLOBAL_CACHE_DIR": kept, "ZIG_LOCAL_CACHE_DIR": str(root / "cache")},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIME_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BuildError(f"{file}: error: compiling took more than {_TIME_LIMIT_S} s") from None
        if done.returncode:
            raise BuildError(
                "\n".join(done.stderr.splitlines()[:_SHOWN_LINES]) or f"{file}: does not compile"
            )
        return (root / "program").read_bytes()
