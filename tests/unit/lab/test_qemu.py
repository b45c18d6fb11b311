# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from fleetsched.lab import qemu
from fleetsched.lab.images import Image
from fleetsched.lab.kernels import Kernel

IMAGE = Image(
    "key", Kernel("7.2.12", Path("/c/vmlinuz"), Path("/c/modules.tar")), Path("/c/initramfs"), Path("/c/disk")
)
FOLDER = Path("/s/lab/hosts/lab-1")


def words_after(option: str, arguments: list[str]) -> list[str]:
    return [value for name, value in pairwise(arguments) if name == option]


def test_host_is_reachable_on_loopback_only() -> None:
    arguments = qemu.machine_arguments(qemu.TCG, IMAGE, FOLDER, port=20022)
    assert words_after("-netdev", arguments) == ["user,id=net,hostfwd=tcp:127.0.0.1:20022-:22"]


def test_template_is_not_reachable_at_all() -> None:
    assert words_after("-netdev", qemu.machine_arguments(qemu.TCG, IMAGE, FOLDER)) == ["user,id=net"]


def test_tcg_has_one_thread_and_its_clock_is_the_controllers() -> None:
    arguments = qemu.machine_arguments(qemu.TCG, IMAGE, FOLDER)
    assert words_after("-accel", arguments) == ["tcg,thread=single,tb-size=256"]
    assert words_after("-cpu", arguments) == ["Nehalem"]
    assert "-icount" not in arguments


def test_reboot_of_a_host_is_a_reboot() -> None:
    arguments = qemu.machine_arguments(qemu.TCG, IMAGE, FOLDER, port=20022)
    assert "-no-reboot" not in arguments
    assert words_after("-kernel", arguments) == ["/c/vmlinuz"]
    assert words_after("-drive", arguments) == [
        "file=/s/lab/hosts/lab-1/disk.qcow2,format=qcow2,if=none,id=disk,cache=unsafe,discard=unmap"
    ]


def test_restored_host_has_the_same_shape_as_its_template() -> None:
    template = qemu.machine_arguments(qemu.TCG, IMAGE, FOLDER)
    host = qemu.machine_arguments(qemu.TCG, IMAGE, FOLDER, snapshot=Path("/c/it's memory"))
    assert host == [*template, "-incoming", """exec:cat '/c/it'"'"'s memory'"""]


def test_comma_in_a_path_is_not_an_option() -> None:
    arguments = qemu.machine_arguments(qemu.TCG, IMAGE, Path("/home/a,readonly=on/lab-1"))
    assert words_after("-drive", arguments)[0].startswith(
        "file=/home/a,,readonly=on/lab-1/disk.qcow2,format="
    )
