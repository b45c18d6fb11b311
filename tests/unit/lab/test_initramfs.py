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
from fleetsched.lab.initramfs import cpio, load_order, write_initramfs
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
