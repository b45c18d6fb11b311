# SPDX-License-Identifier: Apache-2.0
"""Finding the helper's binary, and what makes it be built anew; tests/real/test_helper.py builds it."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from fleetsched.errors import BuildError
from fleetsched.helper import build
from fleetsched.helper.build import Toolchain, build_helper, build_key, find_helper, find_unit, first_mirror
from fleetsched.helper.prebuilt import (
    ARCHITECTURES,
    BINARY,
    MANIFEST,
    Manifest,
    check_prebuilt,
    source_digest,
)


def write_changelog(sysroot: Path, text: str) -> None:
    file = sysroot / "usr/share/doc/libbpf-dev/changelog.Debian.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def toolchain(tmp_path: Path) -> Toolchain:
    """A toolchain that is nothing but the files that a key is made of."""
    sysroot, sources = tmp_path / "sysroot", tmp_path / "bpf"
    for file, text in {
        sources / "helper/main.c": "int main(void) { return 0; }\n",
        sources / "helper/Makefile": "all:\n",
        sources / "helper/lease.bpf.c": "#include <fleetsched/bpf.bpf.h>\n",
        sources / "include/fleetsched/bpf.bpf.h": "#define SEC(name)\n",
    }.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    write_changelog(sysroot, "libbpf (1:1.5.0-3) unstable; urgency=medium\n")
    return Toolchain(Path("zig"), "0.17.1", sysroot, sources)


@pytest.fixture
def wheel(tmp_path: Path, toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data of an installed wheel: sources, and helpers that were built from them."""
    helpers = {}
    for arch in ARCHITECTURES:
        binary = tmp_path / "helper" / arch / BINARY
        binary.parent.mkdir(parents=True)
        binary.write_text(f"\x7fELF for {arch}")
        helpers[arch] = hashlib.sha256(binary.read_bytes()).hexdigest()
    manifest = Manifest(source_digest(toolchain.sources), "ziglang 0.17.1", {"libbpf": "1:1.5.0-3"}, helpers)
    (tmp_path / "helper" / MANIFEST).write_text(manifest.text())
    monkeypatch.setattr(build, "shipped_root", lambda: tmp_path)
    return tmp_path


def test_the_same_sources_have_the_same_key_in_another_place(toolchain: Toolchain, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    toolchain.sources.rename(moved)
    there = Toolchain(Path("/opt/zig"), toolchain.zig_version, toolchain.sysroot, moved)
    before = Toolchain(toolchain.zig, toolchain.zig_version, toolchain.sysroot, moved)
    assert build_key(there, "x86_64") == build_key(before, "x86_64")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("bpf/helper/main.c", "int main(void) { return 1; }\n"),
        ("bpf/helper/Makefile", "all: asan\n"),
        ("bpf/helper/new.h", ""),
        ("bpf/include/fleetsched/bpf.bpf.h", "#define SEC(n)\n"),
    ],
)
def test_a_changed_file_changes_the_key(toolchain: Toolchain, tmp_path: Path, file: str, text: str) -> None:
    before = build_key(toolchain, "x86_64")
    (tmp_path / file).write_text(text)
    assert build_key(toolchain, "x86_64") != before


def test_another_version_of_a_library_changes_the_key(toolchain: Toolchain) -> None:
    before = build_key(toolchain, "x86_64")
    write_changelog(toolchain.sysroot, "libbpf (1:1.5.1-1) unstable; urgency=medium\n")
    assert build_key(toolchain, "x86_64") != before


def test_compiler_and_architecture_change_the_key(toolchain: Toolchain) -> None:
    newer = Toolchain(toolchain.zig, "0.18.0", toolchain.sysroot, toolchain.sources)
    keys = {build_key(toolchain, "x86_64"), build_key(toolchain, "aarch64"), build_key(newer, "x86_64")}
    assert len(keys) == 3


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(BuildError) as caught:
        build_helper("vax")
    assert str(caught.value) == "there is no helper for vax\n  it is built for aarch64 and x86_64"


def test_the_helper_in_the_wheel_is_taken_first(wheel: Path) -> None:
    assert find_helper("x86_64") == wheel / "helper/x86_64/fleetsched-host"
    assert find_helper("aarch64") == wheel / "helper/aarch64/fleetsched-host"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("helper/x86_64/fleetsched-host", "\x7fELF, but of somebody else"),
        ("bpf/helper/main.c", "int main(void) { return 1; }\n"),
        ("helper/manifest.json", "{}"),
    ],
    ids=["binary", "sources", "manifest"],
)
def test_a_helper_that_is_not_what_the_wheel_was_built_with_is_built_anew(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str
) -> None:
    monkeypatch.setattr(build, "build_helper", lambda arch: Path("built", arch))
    (wheel / file).write_text(text)
    assert find_helper("x86_64") == Path("built/x86_64")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("helper/x86_64/fleetsched-host", "x", "the helper for x86_64 in {} is not what its manifest says"),
        ("bpf/helper/main.c", "x", "the helpers in {} were built from other sources"),
        ("helper/manifest.json", '{"format": 2}', "{}/manifest.json cannot be read: 2"),
    ],
)
def test_what_does_not_fit_is_not_packed(wheel: Path, file: str, text: str, message: str) -> None:
    assert set(check_prebuilt(wheel / "helper", wheel / "bpf").helpers) == {"aarch64", "x86_64"}
    (wheel / file).write_text(text)
    with pytest.raises(BuildError) as caught:
        check_prebuilt(wheel / "helper", wheel / "bpf")
    assert caught.value.message == message.format(wheel / "helper")
    assert caught.value.remedy.endswith(": make wheel")


def test_missing_sources_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "shipped_root", lambda: tmp_path)
    with pytest.raises(BuildError) as caught:
        find_unit()
    assert str(caught.value) == (
        "the helper's sources are not here\n  install fleetsched's wheel, or use a checkout"
    )


def test_the_unit_starts_the_installed_helper_and_never_gives_up() -> None:
    unit = find_unit().read_text().splitlines()
    assert {
        "ExecStart=/usr/libexec/fleetsched-host serve",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "After=multi-user.target",
        "WantedBy=multi-user.target",
    } <= set(unit)


@pytest.mark.parametrize(
    ("listing", "mirror"),
    [
        ("http://a/debian/ bookworm main\nhttp://b/debian/ bookworm main\n", "http://a/debian/"),
        ("http://a/debian/ bookworm-updates main\nhttp://a/x/ bookworm contrib\n", None),
        ("cdrom:[Debian]/ bookworm main\nhttps://b/debian/ bookworm main\n", "https://b/debian/"),
        ("http://node/ nodistro main\n", None),
        ("", None),
    ],
)
def test_the_mirror_is_the_one_that_apt_uses(listing: str, mirror: str | None) -> None:
    assert first_mirror(listing, "bookworm") == mirror
