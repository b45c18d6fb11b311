# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import io
import lzma
import shutil
import tarfile
from pathlib import Path

import pytest

from fleetsched.errors import LabError
from fleetsched.lab.initramfs import cpio, load_order, write_initramfs, write_root
from fleetsched.lab.kernels import Kernel

DEPENDENCIES = {
    "kernel/net/core/failover.ko.xz": [],
    "kernel/drivers/net/net_failover.ko.xz": ["kernel/net/core/failover.ko.xz"],
    "kernel/drivers/net/virtio_net.ko.xz": [
        "kernel/drivers/net/net_failover.ko.xz",
        "kernel/net/core/failover.ko.xz",
    ],
    "kernel/drivers/block/virtio_blk.ko.xz": [],
}


def test_modules_are_loaded_after_those_they_need_and_built_in_ones_are_left_out() -> None:
    assert load_order(DEPENDENCIES, ("virtio_pci", "virtio_net", "virtio_blk", "net_failover")) == [
        "kernel/net/core/failover.ko.xz",
        "kernel/drivers/net/net_failover.ko.xz",
        "kernel/drivers/net/virtio_net.ko.xz",
        "kernel/drivers/block/virtio_blk.ko.xz",
    ]


def test_module_file_with_hyphens_is_found_by_its_name_with_underscores() -> None:
    assert load_order({"kernel/lib/crc-t10dif.ko": []}, ("crc_t10dif",)) == ["kernel/lib/crc-t10dif.ko"]


def test_cpio_writes_what_the_kernel_reads() -> None:
    written = cpio(("root",), {"init": b"#!"})
    # Worked out by hand from the kernel's description of the format.
    expected = (
        b"070701" b"00000001" b"000041ED" b"00000000" b"00000000" b"00000001" b"00000000" b"00000000"
        b"00000000" b"00000000" b"00000000" b"00000000" b"00000005" b"00000000" b"root\0\0"
        b"070701" b"00000002" b"000081ED" b"00000000" b"00000000" b"00000001" b"00000000" b"00000002"
        b"00000000" b"00000000" b"00000000" b"00000000" b"00000005" b"00000000" b"init\0\0" b"#!\0\0"
        b"070701" b"00000003" b"00000000" b"00000000" b"00000000" b"00000001" b"00000000" b"00000000"
        b"00000000" b"00000000" b"00000000" b"00000000" b"0000000B" b"00000000" b"TRAILER!!!\0\0\0\0"
    )  # fmt: skip
    assert written == expected


def test_root_of_a_machine_keeps_owners_links_and_times_and_leaves_devices_out(tmp_path: Path) -> None:
    members = [
        ("./", tarfile.DIRTYPE, "", b""),
        ("./usr", tarfile.DIRTYPE, "", b""),
        ("./usr/a", tarfile.REGTYPE, "", b"text"),
        ("./usr/b", tarfile.LNKTYPE, "./usr/a", b""),
        ("./bin", tarfile.SYMTYPE, "usr", b""),
        ("./dev/null", tarfile.CHRTYPE, "", b""),
    ]
    with tarfile.open(tmp_path / "root.tar", "w") as archive:
        for name, kind, link, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            info.mode, info.uid, info.gid, info.mtime = 0o640, 7, 8, 9
            archive.addfile(info, io.BytesIO(content))
    size = write_root(tmp_path / "root.tar", {"init": b"#!"}, tmp_path / "root.cpio")

    assert size == (tmp_path / "root.cpio").stat().st_size
    assert read_cpio((tmp_path / "root.cpio").read_bytes()) == [
        ("usr", 0o040640, (7, 8), 9, (0, 0), b""),
        ("usr/a", 0o100640, (7, 8), 9, (0, 0), b"text"),
        ("usr/b", 0o100640, (7, 8), 9, (0, 0), b"text"),
        ("bin", 0o120777, (7, 8), 9, (0, 0), b"usr"),
        ("dev/console", 0o020600, (0, 0), 0, (5, 1), b""),
        ("init", 0o100755, (0, 0), 0, (0, 0), b"#!"),
    ]


def read_cpio(archive: bytes) -> list[tuple[str, int, tuple[int, int], int, tuple[int, int], bytes]]:
    """Name, mode, owner, time, device and content of every member."""
    members, at = [], 0
    while True:
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name_at, content_at = at + 110, -(-(at + 110 + fields[11]) // 4) * 4
        name = archive[name_at : name_at + fields[11] - 1].decode()
        if name == "TRAILER!!!":
            return members
        content = archive[content_at : content_at + fields[6]]
        members.append((name, fields[1], (fields[2], fields[3]), fields[5], (fields[9], fields[10]), content))
        at = -(-(content_at + fields[6]) // 4) * 4


def kernel_with(tmp_path: Path, files: dict[str, bytes]) -> Kernel:
    modules = tmp_path / "modules.tar"
    with tarfile.open(modules, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"usr/lib/modules/7.2.12/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return Kernel("7.2.12", tmp_path / "vmlinuz", modules)


def test_initramfs_has_the_drivers_unpacked_and_their_order(tmp_path: Path) -> None:
    kernel = kernel_with(
        tmp_path,
        {
            "modules.dep": b"kernel/virtio_net.ko.xz: kernel/failover.ko.xz\nkernel/failover.ko.xz:\n",
            "kernel/virtio_net.ko.xz": lzma.compress(b"the network"),
            "kernel/failover.ko.xz": lzma.compress(b"the failover"),
        },
    )
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"a static program")
    write_initramfs(kernel, tmp_path / "initramfs", busybox=busybox)

    archive = gzip.decompress((tmp_path / "initramfs").read_bytes())
    assert b"modules/order\0" in archive
    assert b"failover.ko\nvirtio_net.ko\n" in archive
    assert b"the network" in archive
    assert b"the failover" in archive
    assert b"a static program" in archive


def test_busybox_that_needs_a_loader_is_refused(tmp_path: Path) -> None:
    shell = shutil.which("true")
    assert shell
    with pytest.raises(LabError, match="is not a static program"):
        write_initramfs(kernel_with(tmp_path, {}), tmp_path / "initramfs", busybox=Path(shell))


def test_missing_busybox_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        write_initramfs(kernel_with(tmp_path, {}), tmp_path / "initramfs", busybox=tmp_path / "none")
    assert str(caught.value) == "busybox is not installed\n  `make setup` installs busybox-static."
