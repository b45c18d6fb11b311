# SPDX-License-Identifier: Apache-2.0
"""The disk that every lab host of one kernel starts from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from fleetsched.lab import debian, initramfs
from fleetsched.lab.cache import cached, recipe_digest
from fleetsched.lab.kernels import Kernel
from fleetsched.lab.run import run

SUITE = "trixie"
# A blank server, the way into it, and what the tests and the demo need on any host.
PACKAGES = (
    "bpftool",
    "dbus",
    "iproute2",
    "kmod",
    "openssh-server",
    "procps",
    "qemu-guest-agent",
    "stress-ng",
    "sudo",
    "systemd-sysv",
    "udev",
)
_SIZE = "3G"


@dataclass(frozen=True, slots=True)
class Image:
    """What a machine boots.

    Args:
        key: digest of everything it is made from.
        kernel: its kernel.
        initramfs: its first file system.
        disk: a qcow2 file with the root file system, never written to.
    """

    key: str
    kernel: Kernel
    initramfs: Path
    disk: Path


def build_image(kernel: Kernel, say: Callable[[str], None]) -> Image:
    """The image for this kernel; built when it is not in the cache.

    Raises:
        LabError: Debian could not be installed, or a tool is missing.
    """
    root = _build_root(say)
    key = recipe_digest([root.name, kernel.release, initramfs.recipe(), _SIZE])

    def build(target: Path) -> None:
        say(f"making the disk for kernel {kernel.release}")
        initramfs.write_initramfs(kernel, target / "initramfs")
        _write_disk(root / "root.tar", kernel.modules, target / "disk.qcow2")

    folder = cached("images", key, build)
    return Image(key, kernel, folder / "initramfs", folder / "disk.qcow2")


def guest_script(name: str) -> str:
    """One of the scripts that run inside guests."""
    return (resources.files("fleetsched.lab") / "guest" / name).read_text(encoding="utf-8")


def _build_root(say: Callable[[str], None]) -> Path:
    script = guest_script("root.sh")

    def build(target: Path) -> None:
        say(f"installing Debian {SUITE} for the lab's hosts (about a minute)")
        debian.bootstrap(SUITE, PACKAGES, target / "root.tar", script=script)

    return cached("roots", recipe_digest([SUITE, PACKAGES, script]), build)


def _write_disk(root: Path, modules: Path, target: Path) -> None:
    """Make the file system without mounting anything.

    Under `fakeroot` the steps share a record of owners, so that an ordinary user gets the same disk.
    """
    with tempfile.TemporaryDirectory(prefix="fleetsched-disk-", dir=target.parent) as temporary:
        tree, raw, owners = Path(temporary) / "root", Path(temporary) / "disk.raw", Path(temporary) / "owners"
        tree.mkdir()
        owners.touch()
        pretend = () if os.geteuid() == 0 else ("fakeroot", "-i", str(owners), "-s", str(owners), "--")
        debian.unpack(root, tree, prefix=pretend)
        debian.unpack(modules, tree, prefix=pretend)
        run(
            [*pretend, "mke2fs", "-q", "-t", "ext4", "-L", "lab", "-d", str(tree), str(raw), _SIZE],
            timeout_s=600,
            what="make the file system",
        )
        run(
            ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(target)],
            timeout_s=600,
            what="make the disk",
        )
