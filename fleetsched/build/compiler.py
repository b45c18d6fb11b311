# SPDX-License-Identifier: Apache-2.0
"""The pinned compiler: source text to an object, the same bytes on every machine."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleetsched.build.confinement import check_source
from fleetsched.build.include import PREFIX
from fleetsched.build.strip import strip_debug
from fleetsched.errors import BuildError

COMPILER = "ziglang"
FLAGS = (
    "-target",
    "bpfel-freestanding",
    "-mcpu=v3",
    "-std=gnu11",
    "-g",
    "-O2",
    "-fno-sanitize=undefined",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-stack-protector",
    "-fdebug-compilation-dir=.",
    "-nostdinc",
    f"-I{PREFIX}",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-Wno-sign-compare",
    "-ferror-limit=5",
)

TIME_LIMIT_S = 60
"""A policy of the catalogue compiles in 0.1 s."""

_LIMITS = f"ulimit -t {TIME_LIMIT_S}; ulimit -f 65536; ulimit -v 2097152 2>/dev/null; "
"""Seconds of CPU, blocks of 512 bytes written, KiB of memory (a policy takes 58 MB; macOS has no `-v`)."""

_MESSAGE = re.compile(
    r"^(?P<place>[^:\n]+:\d+:\d+): (?P<kind>fatal error|error|warning): (?P<text>.*)$", re.M
)
_SHOWN_MESSAGES = 5


@dataclass(frozen=True, slots=True)
class Compiler:
    """An installed compiler."""

    executable: Path
    version: str


@dataclass(frozen=True, slots=True)
class CompiledObject:
    """One object.

    Attributes:
        image: the ELF file.
        digest: SHA-256 of it, 64 hex digits.
        diagnostics: the compiler's warnings, `file:line:column: warning: ...`.
        headers: the headers it was made with, as `bpf/include/fleetsched/policy.bpf.h`.
    """

    image: bytes
    digest: str
    diagnostics: tuple[str, ...]
    headers: tuple[str, ...]


def find_compiler() -> Compiler:
    """Find the compiler among the installed packages.

    Raises:
        BuildError: it is not installed.
    """
    spec = importlib.util.find_spec(COMPILER)
    if spec is None or spec.origin is None:
        raise BuildError(
            f"the compiler ({COMPILER}) is not installed", remedy="pip install 'fleetsched[build]'"
        )
    return Compiler(Path(spec.origin).parent / "zig", importlib.metadata.version(COMPILER))


def compile_source(text: str, shown: str, headers: Mapping[str, bytes], compiler: Compiler) -> CompiledObject:
    """Compile one policy in a folder of its own, where nothing lies but its source and the headers.

    Args:
        text: the rendered source; hostile until checked here.
        shown: its path in the fleet repository, which is its path in messages and in the object, too.
        headers: the headers' contents by path, as `read_headers` gives them.
        compiler: what `find_compiler` found.

    Raises:
        BuildError: the source is refused, does not compile (with the compiler's first messages), or the
            compiler took too long or too much.
    """
    check_source(text, shown)
    with tempfile.TemporaryDirectory(prefix="fleetsched-build-") as folder:
        root = Path(folder)
        # A template's text is C as well; with its own name the compiler would take it for something else.
        source = shown.removesuffix(".j2")
        for name, content in {source: text.encode(), **headers}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        messages = _run(compiler, source, shown, root)
        used = _used_headers((root / "object.d").read_text(), source, shown)
        image = strip_debug((root / "object.o").read_bytes())
    return CompiledObject(image, hashlib.sha256(image).hexdigest(), tuple(messages), used)


def _run(compiler: Compiler, source: str, shown: str, root: Path) -> list[str]:
    """Run the compiler; return its warnings."""
    scratch = root / "tmp"  # a compiler that crashes leaves the source where its temporary files are
    scratch.mkdir()
    arguments = [*FLAGS, "-MD", "-MF", "object.d", "-c", source, "-o", "object.o"]
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'{_LIMITS}exec "$@"', "sh", str(compiler.executable), "cc", *arguments],
        cwd=root,
        # Nothing of the caller's environment: CPATH and the like would add places to read from.
        env={
            "ZIG_GLOBAL_CACHE_DIR": str(root / "cache"),
            "ZIG_LOCAL_CACHE_DIR": str(root / "cache"),
            "TMPDIR": str(scratch),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, raw = process.communicate(timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise BuildError(f"{shown}: error: compiling took more than {TIME_LIMIT_S} s") from None
    except BaseException:
        process.kill()
        process.communicate()
        raise
    output = raw.decode(errors="replace")
    messages = [match[0] for match in _MESSAGE.finditer(output)]
    if process.returncode:
        raise BuildError("\n".join(_explain(messages, output, process.returncode, shown)))
    return messages


def _explain(messages: list[str], output: str, returncode: int, shown: str) -> list[str]:
    """The compiler's first errors, or what else can be said of its end."""
    errors = [message for message in messages if ": warning: " not in message][:_SHOWN_MESSAGES]
    if errors:
        return errors
    how = f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"status {returncode}"
    return [f"{shown}: error: the compiler ended with {how}", *output.splitlines()[-_SHOWN_MESSAGES:]]


def _used_headers(dependencies: str, source: str, shown: str) -> tuple[str, ...]:
    """The headers in the compiler's list of what it read. Anything else there is a hole in `check_source`."""
    files = dependencies.replace("\\\n", " ").split(":", 1)[1].split()
    used = sorted({file.removeprefix("./") for file in files} - {source})
    for file in used:
        if not file.startswith(f"{PREFIX}/fleetsched/"):
            raise BuildError(f"{shown}: error: the source reads {file}, which is refused")
    return tuple(used)
