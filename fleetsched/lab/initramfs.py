# SPDX-License-Identifier: Apache-2.0
"""File systems that guests have in their memory.

The hosts of the lab start from a static busybox that loads the disk's driver and starts systemd. Machines for
gates and benchmarks have their whole Debian there: no driver is needed, and no disk answers when it likes.
"""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO

from fleetsched.errors import LabError
from fleetsched.lab.kernels import Kernel

PROBE_WORD = "fleetsched.probe"
PROBE_ANSWER = "fleetsched-probe-ok"

# Their dependencies are added; those that a kernel has built in are left out.
_DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "ext4")

_INIT = f"""#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
while read -r module; do $b insmod "/modules/$module"; done < /modules/order
if $b grep -q {PROBE_WORD} /proc/cmdline; then
    echo {PROBE_ANSWER} > /dev/console
    exec $b poweroff -f
fi
tries=0
until [ -b /dev/vda ] || [ $tries -eq 300 ]; do $b usleep 100000; tries=$((tries + 1)); done
# The kernel panics when init ends, and the machine's log shows why.
$b mount -t ext4 /dev/vda /root || exit 1
$b umount /proc
$b mount --move /dev /root/dev
exec $b switch_root /root /sbin/init
"""


def recipe() -> list[str]:
    """What the result depends on, beside the kernel."""
    return [_INIT, *_DRIVERS]


def write_initramfs(kernel: Kernel, target: Path, *, busybox: Path = Path("/bin/busybox")) -> None:
    """Write the compressed cpio archive that this kernel starts from.

    Raises:
        LabError: there is no busybox, or it is not a static one.
    """
    try:
        program = busybox.read_bytes()
    except FileNotFoundError as error:
        raise LabError("busybox is not installed", remedy="`make setup` installs busybox-static.") from error
    # The name of the dynamic loader is in every program that needs one.
    if b"/ld-linux" in program[:4096]:
        raise LabError(f"{busybox} is not a static program", remedy="`make setup` installs busybox-static.")
    modules = dict(_modules(kernel))
    files = {
        "init": _INIT.encode(),
        "bin/busybox": program,
        "modules/order": "".join(f"{name}\n" for name in modules).encode(),
        **{f"modules/{name}": content for name, content in modules.items()},
    }
    folders = ("bin", "dev", "modules", "proc", "root")
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as file:
        file.write(cpio(folders, files))


def load_order(dependencies: Mapping[str, list[str]], wanted: tuple[str, ...]) -> list[str]:
    """The module files to insert, each after those it needs.

    Args:
        dependencies: from a file to all the files it needs, nearest first, as modules.dep lists them.
        wanted: names of modules; one without a file is built into the kernel.
    """
    by_name = {PurePosixPath(file).name.partition(".")[0].replace("-", "_"): file for file in dependencies}
    order: list[str] = []
    for name in wanted:
        file = by_name.get(name)
        if file:
            order += [needed for needed in [*reversed(dependencies[file]), file] if needed not in order]
    return order


def _modules(kernel: Kernel) -> Iterator[tuple[str, bytes]]:
    base = f"usr/lib/modules/{kernel.release}/"
    with tarfile.open(kernel.modules) as archive:
        lines = _content(archive, base + "modules.dep").decode().splitlines()
        dependencies = {file: rest.split() for file, _, rest in (line.partition(":") for line in lines)}
        for file in load_order(dependencies, _DRIVERS):
            content = _content(archive, base + file)
            name = PurePosixPath(file).name
            if name.endswith(".xz"):
                name, content = name.removesuffix(".xz"), lzma.decompress(content)
            yield name, content


def _content(archive: tarfile.TarFile, name: str | tarfile.TarInfo) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise LabError(f"{name} in an archive is not a file")
    return file.read()


def write_root(archive: Path, files: Mapping[str, bytes], target: Path) -> int:
    """Write a root file system as an uncompressed cpio archive: a guest copies faster than it unpacks.

    Args:
        archive: a tar archive of it.
        files: programs that come on top, by their path without the first slash.
        target: the file to write.

    Returns:
        Its size in bytes, which is about what it takes of the guest's memory.
    """
    with tarfile.open(archive) as tree, target.open("wb") as out:
        # The kernel opens it for the first process before that can mount anything.
        console = _Member("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
        programs = [_Member(name, stat.S_IFREG | 0o755, content) for name, content in files.items()]
        for number, member in enumerate(chain(_members(tree), (console, *programs, _TRAILER)), 1):
            _write_member(out, number, member)
        return out.tell()


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    mode: int
    content: bytes = b""
    owner: tuple[int, int] = (0, 0)
    device: tuple[int, int] = (0, 0)
    mtime: int = 0


_TRAILER = _Member("TRAILER!!!", 0)


def _members(tree: tarfile.TarFile) -> Iterator[_Member]:
    """What lies in a tar archive, less devices. A hard link becomes a copy."""
    for info in tree:
        name = info.name.removeprefix("./")
        owner, mtime = (info.uid, info.gid), int(info.mtime)
        if info.isdir() and name not in ("", "."):
            yield _Member(name, stat.S_IFDIR | info.mode, owner=owner, mtime=mtime)
        elif info.issym():
            yield _Member(name, stat.S_IFLNK | 0o777, info.linkname.encode(), owner, mtime=mtime)
        elif info.isfile() or info.islnk():
            yield _Member(name, stat.S_IFREG | info.mode, _content(tree, info), owner, mtime=mtime)


def cpio(folders: tuple[str, ...], files: Mapping[str, bytes]) -> bytes:
    """An archive in the format `newc`: empty folders, and executable files, all owned by root."""
    out = io.BytesIO()
    members = [_Member(name, stat.S_IFDIR | 0o755) for name in folders]
    members += [_Member(name, stat.S_IFREG | 0o755, content) for name, content in files.items()]
    for number, member in enumerate([*members, _TRAILER], 1):
        _write_member(out, number, member)
    return out.getvalue()


def _write_member(out: IO[bytes], number: int, member: _Member) -> None:
    path = member.name.encode() + b"\0"
    # inode, mode, owners, links, mtime, size, device it is on, device it is, length of the name, no checksum
    size = len(member.content)
    fields = [number, member.mode, *member.owner, 1, member.mtime, size, 0, 0, *member.device, len(path), 0]
    header = "070701" + "".join(f"{field:08X}" for field in fields)
    for part in (header.encode() + path, member.content):
        out.write(part)
        out.write(b"\0" * (-out.tell() % 4))
