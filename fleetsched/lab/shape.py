# SPDX-License-Identifier: Apache-2.0
"""What a machine for gates and benchmarks looks like, and QEMU's words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import UsageError
from fleetsched.lab import qemu
from fleetsched.lab.accelerators import Bootable
from fleetsched.lab.link import LINK_SOCKET
from fleetsched.lab.monitor import CONSOLE_LOG, QMP_SOCKET
from fleetsched.model.wording import counted

KERNEL_ARGUMENTS = "console=ttyS0 panic=-1 mitigations=off quiet"
MAX_CPUS = 16
MEMORY_MIB = (512, 8192)

# An instruction takes 4 ns of the guest's time; when all its CPUs sleep, the clock jumps to the next timer.
_ICOUNT = ("-icount", "shift=2,sleep=off")


@dataclass(frozen=True, slots=True)
class Topology:
    """How CPUs lie in their sockets. On QEMU's CPUs, a socket has one last-level cache.

    Args:
        sockets: how many.
        threads: CPUs of one core.
        nodes: NUMA nodes; a socket lies in one.
    """

    sockets: int = 1
    threads: int = 1
    nodes: int = 1


TOPOLOGIES = {
    "flat": Topology(),
    "smt": Topology(threads=2),
    "two-llc": Topology(sockets=2),
    "two-node": Topology(sockets=2, nodes=2),
}


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """A machine that a caller wants.

    Args:
        kernel: `6.18` for the newest 6.18 that Debian offers, `6.18.15` for that one.
        cpus: how many, at most 16; a multiple of 2 for every topology but `flat`.
        topology: `flat`; `smt`, two threads a core; `two-llc`, two sockets; `two-node`, two NUMA nodes.
        memory_mib: of all nodes together, beside what its files take, which are in memory, too.
        icount: the guest's clocks follow its instructions, so that they say the same however busy this
            computer is. Under TCG only. It stands still, with all that was left running in it, while nobody
            waits for it: in `run` or for an answer of the helper.
        packages: of Debian, beside those that every machine has.
    """

    kernel: str = "6.18"
    cpus: int = 2
    topology: str = "flat"
    memory_mib: int = 768
    icount: bool = False
    packages: tuple[str, ...] = ()

    def check(self) -> Topology:
        """Return its topology.

        Raises:
            UsageError: there can be no such machine.
        """
        topology = TOPOLOGIES.get(self.topology)
        if topology is None:
            raise UsageError(f"topology {self.topology!r}: expected one of {', '.join(TOPOLOGIES)}")
        if not 1 <= self.cpus <= MAX_CPUS or self.cpus % (topology.sockets * topology.threads):
            step = topology.sockets * topology.threads
            given = counted(self.cpus, "CPU")
            raise UsageError(f"{given}: expected 1 to {MAX_CPUS}, a multiple of {step} for {self.topology}")
        least, most = MEMORY_MIB
        if not least <= self.memory_mib <= most or self.memory_mib % topology.nodes:
            raise UsageError(f"{self.memory_mib} MiB of memory: expected {least} to {most}")
        return topology


def memory_files(spec: MachineSpec, folder: Path) -> list[Path]:
    """The files with the memory of a saved machine, one a NUMA node."""
    return [folder / f"memory-{node}" for node in range(spec.check().nodes)]


def machine_arguments(
    spec: MachineSpec,
    accelerator: qemu.Accelerator,
    boot: Bootable,
    folder: Path,
    memory: Sequence[Path],
    *,
    root_mib: int,
    restored: bool,
) -> list[str]:
    """The whole command line of one machine.

    Args:
        spec: what it looks like.
        accelerator: how its instructions run.
        boot: its kernel and its root file system.
        folder: where its sockets and log go; by it the process is found.
        memory: the files of `memory_files`.
        root_mib: what its files take of the memory.
        restored: whether it waits for a saved state instead of booting; its memory is then its own.
    """
    topology = spec.check()
    cores = spec.cpus // topology.sockets // topology.threads
    return [
        qemu.PROGRAM,
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *accelerator.arguments,
        *(_ICOUNT if spec.icount else ()),
        *("-smp", f"{spec.cpus},sockets={topology.sockets},cores={cores},threads={topology.threads}"),
        *_memory_arguments(spec.memory_mib + root_mib, spec.cpus, memory, restored),
        *("-kernel", str(boot.kernel), "-initrd", str(boot.initramfs), "-append", KERNEL_ARGUMENTS),
        *("-name", folder.name),
        *("-pidfile", str(folder / "pid"), "-daemonize"),
        # A guest that panics is at its end.
        "-no-reboot",
        # Relative to where QEMU starts, because an address of a socket takes 107 bytes at most.
        *(
            "-chardev",
            f"socket,id=qmp,path={QMP_SOCKET},server=on,wait=off",
            "-mon",
            "chardev=qmp,mode=control",
        ),
        *(
            "-chardev",
            f"socket,id=link,path={LINK_SOCKET},server=on,wait=off",
            "-device",
            "virtio-serial-pci",
        ),
        *("-device", "virtserialport,chardev=link,nr=1,name=fleetsched.link"),
        *("-chardev", f"file,id=console,path={qemu.escaped(folder / CONSOLE_LOG)},append=on"),
        *("-serial", "chardev:console"),
        *(("-incoming", "defer") if restored else ()),
    ]


def _memory_arguments(mib: int, cpus: int, files: Sequence[Path], restored: bool) -> list[str]:
    """Memory in files: saved by mapping them shared, restored by mapping them private, without a copy."""
    nodes, share = len(files), "off" if restored else "on"
    arguments = ["-m", str(mib)]
    for node, file in enumerate(files):
        backend = f"id=memory{node},mem-path={qemu.escaped(file)},size={mib // nodes}M,share={share}"
        arguments += ["-object", f"memory-backend-file,{backend}"]
    if nodes == 1:
        return [*arguments, "-machine", "pc,memory-backend=memory0"]
    each = cpus // nodes
    for node in range(nodes):
        ids = f"{node * each}-{node * each + each - 1}"
        arguments += ["-numa", f"node,nodeid={node},memdev=memory{node},cpus={ids}"]
    return [*arguments, "-machine", "pc"]
