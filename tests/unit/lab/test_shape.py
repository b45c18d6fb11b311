# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from fleetsched.errors import UsageError
from fleetsched.lab import qemu
from fleetsched.lab.accelerators import Bootable
from fleetsched.lab.shape import MachineSpec, machine_arguments, memory_files

BOOT = Bootable("7.3.4", Path("/c/vmlinuz"), Path("/c/root.cpio"))
SAVED = Path("/c/saved")


def arguments(spec: MachineSpec, *, restored: bool = True, saved: Path = SAVED) -> list[str]:
    files = memory_files(spec, saved)
    return machine_arguments(spec, qemu.TCG, BOOT, Path("/s/machine"), files, root_mib=128, restored=restored)


def words_after(option: str, given: list[str]) -> list[str]:
    return [value for name, value in pairwise(given) if name == option]


@pytest.mark.parametrize(
    ("topology", "smp", "numa"),
    [
        ("flat", "4,sockets=1,cores=4,threads=1", []),
        ("smt", "4,sockets=1,cores=2,threads=2", []),
        ("two-llc", "4,sockets=2,cores=2,threads=1", []),
        (
            "two-node",
            "4,sockets=2,cores=2,threads=1",
            ["node,nodeid=0,memdev=memory0,cpus=0-1", "node,nodeid=1,memdev=memory1,cpus=2-3"],
        ),
    ],
)
def test_topology_is_laid_out(topology: str, smp: str, numa: list[str]) -> None:
    given = arguments(MachineSpec(cpus=4, topology=topology))
    assert (words_after("-smp", given), words_after("-numa", given)) == ([smp], numa)


def test_files_come_on_top_of_the_memory_and_nodes_share_both() -> None:
    given = arguments(MachineSpec(cpus=4, topology="two-node", memory_mib=768))
    assert words_after("-m", given) == ["896"]
    assert words_after("-object", given) == [
        f"memory-backend-file,id=memory{node},mem-path=/c/saved/memory-{node},size=448M,share=off"
        for node in (0, 1)
    ]


def test_only_the_machine_that_is_saved_writes_to_the_saved_memory() -> None:
    boots, restored = (arguments(MachineSpec(), restored=restored) for restored in (False, True))
    shared = [word.replace("share=off", "share=on") for word in restored]
    assert shared == [*boots, "-incoming", "defer"]
    assert boots != restored[:-2]


def test_clock_follows_instructions_only_when_asked() -> None:
    assert words_after("-icount", arguments(MachineSpec(icount=True))) == ["shift=2,sleep=off"]
    assert "-icount" not in arguments(MachineSpec())


def test_machine_has_no_network_and_no_disk_and_ends_when_its_kernel_panics() -> None:
    given = arguments(MachineSpec())
    assert {"-nodefaults", "-no-reboot"} <= set(given)
    assert not {"-netdev", "-nic", "-drive", "-blockdev"} & set(given)


def test_comma_in_a_path_is_not_an_option() -> None:
    given = arguments(MachineSpec(), saved=Path("/c,share=on"))
    assert "mem-path=/c,,share=on/memory-0," in words_after("-object", given)[0]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (MachineSpec(topology="ring"), "topology 'ring': expected one of flat, smt, two-llc, two-node"),
        (MachineSpec(cpus=17), "17 CPUs: expected 1 to 16, a multiple of 1 for flat"),
        (MachineSpec(cpus=3, topology="smt"), "3 CPUs: expected 1 to 16, a multiple of 2 for smt"),
        (MachineSpec(memory_mib=128), "128 MiB of memory: expected 512 to 8192"),
    ],
)
def test_machine_that_cannot_be_is_refused(spec: MachineSpec, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        spec.check()
    assert str(caught.value) == message
