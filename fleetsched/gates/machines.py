# SPDX-License-Identifier: Apache-2.0
"""The machines that gates use: which, and where they come from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from fleetsched.bench.interface import Target
from fleetsched.gates.course import CourseMachine
from fleetsched.lab.shape import MachineSpec
from fleetsched.model.workload import Workload

Say = Callable[[str], None]

DEFAULT_KERNELS = ("6.18",)


class Machines(Protocol):
    """A source of machines."""

    def identify(self, kernel: str, say: Say) -> tuple[str, str]:
        """The release of the newest such kernel, and a digest of all else that makes the machine.

        Raises:
            LabError: the kernel cannot be had.
        """
        ...

    def open(self, kernel: str, say: Say) -> AbstractContextManager[CourseMachine]:
        """A machine at the moment after its boot.

        Raises:
            LabError: there can be none.
        """
        ...


class LabMachines:
    """Machines of the lab, with two CPUs, whose clocks count instructions.

    A watchdog of two seconds would otherwise condemn whoever is judged on a computer that is busy.
    """

    def identify(self, kernel: str, say: Say) -> tuple[str, str]:
        """See `Machines`."""
        from fleetsched.lab.saved import identify

        return identify(self._spec(kernel), say)

    def open(self, kernel: str, say: Say) -> AbstractContextManager[CourseMachine]:
        """See `Machines`."""
        from fleetsched.lab.machine import open_machine

        return open_machine(self._spec(kernel), say)

    def _spec(self, kernel: str) -> MachineSpec:
        return MachineSpec(kernel=kernel, cpus=2, icount=True)


class Targets(Protocol):
    """A source of places to measure in."""

    def identify(self, kernel: str, workload: Workload, say: Say) -> str:
        """A digest of all that makes the machine for this workload.

        Raises:
            LabError: the kernel cannot be had.
        """
        ...

    def open(self, kernel: str, workload: Workload, say: Say) -> AbstractContextManager[Target]:
        """A machine for runs of this workload.

        Raises:
            LabError: there can be none.
            BuildError: the helper cannot be built.
        """
        ...


class LabTargets:
    """Machines of the lab for measuring, with one CPU: several take turns, which shows in latencies."""

    def identify(self, kernel: str, workload: Workload, say: Say) -> str:
        """See `Targets`."""
        from fleetsched.lab.saved import identify

        return identify(self._spec(kernel, workload), say)[1]

    def open(self, kernel: str, workload: Workload, say: Say) -> AbstractContextManager[Target]:
        """See `Targets`."""
        from fleetsched.bench.machine_target import machine_target

        return machine_target(self._spec(kernel, workload), say)

    def _spec(self, kernel: str, workload: Workload) -> MachineSpec:
        from fleetsched.bench.machine_target import workload_spec

        return workload_spec(MachineSpec(kernel=kernel, cpus=1, icount=True), workload)
