# SPDX-License-Identifier: Apache-2.0
"""The helper's binary: the one in the wheel, else one in the cache, else one that is built now.

Compiler and linker are the pinned PyPI package `ziglang`, the libraries are Debian's, unpacked into the
cache: nothing of the machine goes into the bytes. `python -m fleetsched.helper.build [ARCH]` prints the path;
`python -m fleetsched.helper.build --prebuilt FOLDER` fills a folder with what a wheel brings along; with
`--toolchain` it prints compiler and libraries as bpf/helper/Makefile wants them.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from fleetsched.errors import BuildError
from fleetsched.helper.prebuilt import ARCHITECTURES, BINARY, MANIFEST, Manifest, find_prebuilt, source_digest
from fleetsched.helper.wire import UNIT_NAME
from fleetsched.shipped import shipped_root

_SUITE = "trixie"
_LIBRARIES = (
    "libbpf-dev",
    "libc6-dev",
    "libelf-dev",
    "libgcc-14-dev",
    "libjansson-dev",
    "libmd-dev",
    "libzstd-dev",
    "linux-libc-dev",
    "zlib1g-dev",
)
_NOTICES = "usr/share/doc"
_UNPACKED = ("./usr/include", "./usr/lib", f"./{_NOTICES}")
# Debian's name of each architecture that the helper is built for.
_DEBIAN_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
_UNPACK_S = 900.0
_COMPILE_S = 300.0


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Where the compiler, the libraries and the sources are.

    Attributes:
        zig: the compiler's executable.
        zig_version: as its package says it.
        sysroot: the unpacked Debian.
        sources: the folder `bpf`, with `helper` and `include` in it.
    """

    zig: Path
    zig_version: str
    sysroot: Path
    sources: Path


def find_helper(arch: str = "x86_64") -> Path:
    """Return the helper's binary: from the wheel, else from the cache, else built now.

    The wheel's is taken only when it is the one that was built from the wheel's sources.

    Args:
        arch: as `uname -m` says it.

    Raises:
        BuildError: it must be built and cannot be.
    """
    return find_prebuilt(shipped_root() / "helper", _sources(), arch) or build_helper(arch)


def find_unit() -> Path:
    """Return the helper's systemd service.

    Raises:
        BuildError: neither the checkout nor the wheel has it.
    """
    return _sources() / "helper" / UNIT_NAME


def build_helper(arch: str = "x86_64", *, sanitized: bool = False) -> Path:
    """Return the helper built from these sources, from the cache when it was built before.

    Args:
        arch: as `uname -m` says it: x86_64 or aarch64.
        sanitized: with AddressSanitizer and UndefinedBehaviorSanitizer, for Debian trixie only.

    Raises:
        BuildError: another architecture, a missing tool, no Debian archive, or a compiler's error.
    """
    toolchain = find_toolchain(arch)
    cache = user_cache_path("fleetsched") / "helper"
    key = build_key(toolchain, arch) + ("-sanitized" if sanitized else "")
    folder = _once(cache, key, lambda target: compile_helper(toolchain, arch, target, sanitized=sanitized))
    return folder / BINARY


def find_toolchain(arch: str) -> Toolchain:
    """Return what builds the helper; the libraries are fetched when they are not in the cache.

    Raises:
        BuildError: another architecture than those it is built for, a missing tool, or no Debian archive.
    """
    debian_arch = _DEBIAN_ARCH.get(arch)
    if debian_arch is None:
        raise BuildError(
            f"there is no helper for {arch}", remedy=f"it is built for {' and '.join(sorted(_DEBIAN_ARCH))}"
        )
    zig, version = _zig()
    return Toolchain(zig, version, _sysroot(debian_arch), _sources())


def build_key(toolchain: Toolchain, arch: str) -> str:
    """Return a name for everything that the binary's bytes depend on."""
    parts = (
        arch,
        toolchain.zig_version,
        json.dumps(_libraries(toolchain.sysroot)),
        source_digest(toolchain.sources),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _libraries(sysroot: Path) -> dict[str, str]:
    """The version of each Debian source package in a sysroot, by the first line of its changelog."""
    versions = {}
    for changelog in sorted(sysroot.glob(f"{_NOTICES}/*/changelog.Debian.gz")):
        with gzip.open(changelog, "rt", encoding="utf-8") as file:
            if match := re.match(r"(\S+) \((\S+)\)", file.readline()):
                versions[match[1]] = match[2]
    return versions


def write_prebuilt(folder: Path) -> Manifest:
    """Build the helper for every architecture of a wheel, into an empty or missing folder.

    The libraries' copyright notices, which their licences want beside a binary, are put there, too.

    Raises:
        BuildError: one cannot be built.
    """
    helpers: dict[str, str] = {}
    libraries: dict[str, str] = {}
    for arch in ARCHITECTURES:
        toolchain = find_toolchain(arch)
        target = folder / arch / BINARY
        target.parent.mkdir(parents=True)
        shutil.copyfile(build_helper(arch), target)
        helpers[arch] = hashlib.sha256(target.read_bytes()).hexdigest()
        libraries |= _libraries(toolchain.sysroot)
        for package in _LIBRARIES:
            kept = folder / "copyright" / package
            kept.parent.mkdir(exist_ok=True)
            shutil.copyfile(toolchain.sysroot / _NOTICES / package / "copyright", kept)
    manifest = Manifest(source_digest(_sources()), f"ziglang {toolchain.zig_version}", libraries, helpers)
    (folder / MANIFEST).write_text(manifest.text(), encoding="utf-8")
    return manifest


def _sources() -> Path:
    folder = shipped_root() / "bpf"
    if not (folder / "helper" / "Makefile").is_file():
        raise BuildError(
            "the helper's sources are not here", remedy="install fleetsched's wheel, or use a checkout"
        )
    return folder


def _zig() -> tuple[Path, str]:
    found = importlib.util.find_spec("ziglang")
    if found is None or not found.submodule_search_locations:
        raise BuildError(
            "the helper cannot be built: the Python package ziglang is not installed",
            remedy="pip install 'fleetsched[build]'",
        )
    return Path(found.submodule_search_locations[0]) / "zig", metadata.version("ziglang")


def _sysroot(debian_arch: str) -> Path:
    recipe = " ".join((_SUITE, debian_arch, *_LIBRARIES, *_UNPACKED))
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    cache = user_cache_path("fleetsched") / "sysroots"
    return _once(cache, key, lambda target: _unpack(debian_arch, target))


def _unpack(debian_arch: str, target: Path) -> None:
    """Unpack the libraries with all that they need, running none of their scripts."""
    archive = target / "root.tar"
    mirror = configured_mirror()
    _run(
        [
            "mmdebstrap",
            "--variant=extract",
            f"--architectures={debian_arch}",
            f"--include={','.join(_LIBRARIES)}",
            "--format=tar",
            _SUITE,
            str(archive),
            *([mirror] if mirror else []),
        ],
        timeout_s=_UNPACK_S,
        what="the libraries of the helper cannot be fetched from Debian",
        remedy="does this machine reach a Debian archive, and is mmdebstrap installed?",
    )
    _run(
        ["tar", "-C", str(target), "--no-same-owner", "-xf", str(archive), *_UNPACKED],
        timeout_s=_UNPACK_S,
        what="the libraries of the helper cannot be unpacked",
        remedy="is the disk full?",
    )
    archive.unlink()


def configured_mirror(os_release: Path = Path("/etc/os-release")) -> str | None:
    """Return the Debian archive that apt uses here; None without one, and mmdebstrap's default will do."""
    text = os_release.read_text(encoding="utf-8") if os_release.is_file() else ""
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    if fields.get("ID") != "debian" or shutil.which("apt-get") is None:
        return None
    listing = _run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI) $(CODENAME) $(COMPONENT)",
            "Created-By: Packages",
        ],
        timeout_s=60.0,
        what="apt's configuration cannot be read",
        remedy="try `apt-get indextargets`",
    )
    return first_mirror(listing, fields.get("VERSION_CODENAME", ""))


def first_mirror(listing: str, codename: str) -> str | None:
    """Return the first archive of `URI CODENAME COMPONENT` lines that has Debian's main component."""
    lines = (line.split() for line in listing.splitlines())
    return next(
        (line[0] for line in lines if line[1:] == [codename, "main"] and line[0].startswith("http")), None
    )


def compile_helper(toolchain: Toolchain, arch: str, target: Path, *, sanitized: bool = False) -> None:
    """Write the binary into the folder `target`.

    Raises:
        BuildError: `make` is missing, or the compiler's errors.
    """
    objects = target / "objects"
    _run(
        [
            "make",
            "-C",
            str(toolchain.sources / "helper"),
            f"ZIG={toolchain.zig}",
            f"SYSROOT={toolchain.sysroot}",
            f"OUT={objects}",
            f"ARCH={arch}",
            "asan" if sanitized else "all",
        ],
        timeout_s=_COMPILE_S,
        what="the helper does not build",
        remedy="is `make` installed?",
        environment={"ZIG_GLOBAL_CACHE_DIR": str(target / "zig"), "ZIG_LOCAL_CACHE_DIR": str(target / "zig")},
    )
    (objects / "asan" / BINARY if sanitized else objects / BINARY).rename(target / BINARY)
    shutil.rmtree(objects)
    shutil.rmtree(target / "zig", ignore_errors=True)


def _once(cache: Path, key: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `key` of `cache`, filled by `make` unless that was done to its end before."""
    final = cache / key
    if final.is_dir():
        return final
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".lock"):
        if final.is_dir():
            return final
        unfinished = cache / f".unfinished-{key}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            make(unfinished)
            unfinished.rename(final)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return final


def _run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    what: str,
    remedy: str,
    environment: Mapping[str, str] | None = None,
) -> str:
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
        )
    except FileNotFoundError as error:
        raise BuildError(
            f"{what}: {argv[0]} is not installed", remedy=f"install the package {argv[0]}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{what}: {argv[0]} did not end within {timeout_s:g} s", remedy=remedy) from error
    if done.returncode:
        raise BuildError(f"{what}: {_last_words(done.stderr.splitlines())}", remedy=remedy)
    return done.stdout


def _last_words(lines: Iterable[str]) -> str:
    """The compiler's errors if there are any, else the last lines."""
    kept = [line for line in lines if line.strip()]
    errors = [line for line in kept if "error:" in line]
    return "\n".join((errors or kept)[-5:]) or "no message"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--prebuilt"]:
        sys.stdout.write(write_prebuilt(Path(sys.argv[2])).text())
    elif sys.argv[1:2] == ["--toolchain"]:
        found = find_toolchain("x86_64")
        sys.stdout.write(f"ZIG={found.zig} SYSROOT={found.sysroot}\n")
    else:
        sys.stdout.write(f"{build_helper(*sys.argv[1:2])}\n")
