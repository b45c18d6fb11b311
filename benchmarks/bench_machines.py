# SPDX-License-Identifier: Apache-2.0
"""What a machine for gates and benchmarks costs, in seconds: the first of its kind, a start, a reset, a put.

Medians of five, but for the first. Kernel, packages and helper are in the cache before anything is measured.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable

from fleetsched.lab.lock import machine_lock
from fleetsched.lab.machine import Machine, MachineSpec, open_machine
from fleetsched.lab.saved import saved_machine

RUNS = 5


def quiet(_: str) -> None:
    """Nobody is waiting."""


def seconds(action: Callable[[], object]) -> float:
    """How long it takes once."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median(action: Callable[[], object]) -> float:
    """How long it takes, the median of five."""
    return statistics.median(seconds(action) for _ in range(RUNS))


def open_and_close(spec: MachineSpec) -> None:
    """From nothing to a machine that has answered, and to nothing again."""
    with open_machine(spec, quiet):
        pass


def answer(machine: Machine) -> None:
    """A new client and one answer of the helper."""
    with machine.helper() as helper:
        helper.status()


def measure(kernel: str, *, icount: bool) -> dict[str, float]:
    """All figures of one kind of machine."""
    # A size that nothing else uses: the saved machine is deleted before and after.
    spec = MachineSpec(kernel=kernel, icount=icount, memory_mib=769)
    shutil.rmtree(saved_machine(spec, quiet).folder)
    figures = {"boot and save": seconds(lambda: saved_machine(spec, quiet))}
    figures["open, first answer, close"] = median(lambda: open_and_close(spec))
    with open_machine(spec, quiet) as machine:
        figures["reset to first answer"] = median(machine.reset)
        figures["open the helper, status"] = median(lambda: answer(machine))
        figures["run true"] = median(lambda: machine.run("true", timeout_s=60))
        figures["put 1 MB"] = median(lambda: machine.put("/run/file", bytes(1_000_000)))
    shutil.rmtree(saved_machine(spec, quiet).folder)
    return figures


if __name__ == "__main__":
    with machine_lock(print):
        for kernel in sys.argv[1:] or ["6.18"]:
            for icount in (False, True):
                print(f"kernel {kernel}{', icount' if icount else ''}")
                for name, value in measure(kernel, icount=icount).items():
                    print(f"  {value:6.2f} s  {name}")
