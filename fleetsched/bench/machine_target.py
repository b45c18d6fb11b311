# SPDX-License-Identifier: Apache-2.0
"""Workloads in a machine of the lab.

In a machine whose clock counts instructions (icount) an idle guest jumps from timer to timer: ten seconds
in which the controller thinks are an hour and a half there. Nothing may hang on such a time, so a policy is
confirmed when it has lived for as long as the helper wants, and a run is one script that needs nobody
outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from fleetsched.bench.interface import Run
from fleetsched.bench.metrics import run_of
from fleetsched.bench.programs import compile_program
from fleetsched.bench.script import (
    MOST_OBSERVED_S,
    Place,
    Said,
    observed_for_s,
    read_said,
    run_script,
)
from fleetsched.errors import HelperError
from fleetsched.helper.client import HelperClient
from fleetsched.lab.machine import Machine, MachineSpec, open_machine
from fleetsched.model.assignment import Assignment
from fleetsched.model.evidence import Arm, Environment
from fleetsched.model.workload import Workload

EJECTED = "ejected"
"""Code of the error when the kernel ended the policy that is measured."""

_RUN = "bench"
_TRIAL_S = 3600.0
# A computer that does other work, too, gives an emulated second in a tenth of the speed of an idle one.
_SLOWEST = 40
_LEAST_S = 300.0
_MARGIN_S = 0.5  # of the guest's time


@contextmanager
def machine_target(spec: MachineSpec, say: Callable[[str], None]) -> Iterator[MachineTarget]:
    """A machine for runs; nothing is left of it at the end of the block.

    Raises:
        UsageError: there can be no such machine.
        LabError: it does not come up.
        BuildError: the helper cannot be built.
    """
    with open_machine(spec, say) as machine:
        target = MachineTarget(machine)
        try:
            yield target
        finally:
            target.close()


def workload_spec(spec: MachineSpec, workload: Workload) -> MachineSpec:
    """The machine with what the workload needs installed."""
    return replace(spec, packages=tuple(sorted({*spec.packages, *workload.packages})))


@dataclass
class _Ruling:
    """The policy that rules: which one, and the kernel's count of attaches then."""

    assignment: Assignment
    enable_seq: int


class MachineTarget:
    """A target (`interface.Target`) over one machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._opened: HelperClient | None = None
        self._ruling: _Ruling | None = None
        self._longest_s: dict[str, float] = {}
        self._place = Place(cpus=machine.spec.cpus)

    @property
    def environment(self) -> Environment:
        """What the machine is."""
        accelerator: Literal["tcg", "kvm"] = "kvm" if self._machine.accelerator == "kvm" else "tcg"
        spec = self._machine.spec
        return Environment(
            kernel_release=self._machine.kernel_release,
            arch="x86_64",
            cpus=spec.cpus,
            topology=spec.topology,
            memory_mib=spec.memory_mib,
            accelerator=accelerator,
            clock="icount" if spec.icount else "real",
        )

    def prepare(self, workload: Workload) -> None:
        """Bring the workload's programs; its packages are in the machine since it was made.

        Raises:
            BuildError: a program does not compile.
            LabError: the machine does not take them.
        """
        self._machine.run(
            f"rm -rf {self._place.programs}; mkdir -p {self._place.programs}", timeout_s=_LEAST_S
        )
        for name, source in workload.programs.items():
            image = compile_program(name, source, self.environment.arch)
            self._machine.put(f"{self._place.programs}/{name}", image, mode=0o755)

    def switch_to(self, arm: Arm, image: bytes | None) -> None:
        """Let this scheduler rule; returns when it is the last known good, so that nothing runs out."""
        if image is None:
            if self._ruling is not None:
                self._helper().stop("the next run is the kernel's own scheduler's")
                self._ruling = None
            return
        parameters = {name: int(value) for name, value in arm.parameters.items()}
        assignment = Assignment.of(arm.policy, arm.variant or "default", arm.digest, parameters)
        if self._ruling is not None and self._ruling.assignment == assignment:
            return
        helper = self._helper()
        self._ruling = None
        helper.stage(arm.digest, image)
        trial = helper.try_(assignment, deadline_s=_TRIAL_S, run=_RUN, revision=_RUN).trial
        self._machine.run(f"sleep {trial.confirm_in_ms / 1000 + _MARGIN_S:g}", timeout_s=_LEAST_S)
        try:
            status = helper.confirm(trial.id)
        except HelperError as error:
            raise self._ejected(assignment, error.message) from error
        self._ruling = _Ruling(assignment, status.kernel.enable_seq)

    def run(self, workload: Workload, *, seed: int, observe: bool) -> Run:
        """Run it once under the present scheduler."""
        observe_s = self._observe_s(workload) if observe else None
        script = run_script(workload, self._place, seed, observe_s)
        limit_s = max(_LEAST_S, _SLOWEST * workload.time_limit_s)
        said = read_said(self._machine.run(script, timeout_s=limit_s), workload)
        self._check_ruling(said)
        run = run_of(workload, said)
        self._longest_s[workload.name] = max(run.seconds, self._longest_s.get(workload.name, 0.0))
        return run

    def close(self) -> None:
        """Close the connection to the helper."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _observe_s(self, workload: Workload) -> float:
        if self._machine.spec.icount:  # where nothing happens, it costs no time
            return MOST_OBSERVED_S
        return observed_for_s(workload, self._longest_s.get(workload.name))

    def _check_ruling(self, said: Said) -> None:
        """Raise when another scheduler ruled than the one that should, for whatever reason.

        Raises:
            HelperError: `ejected`; the message says why the policy was.
        """
        if self._ruling is None:
            return
        for seen in (said.before, said.after):
            state, enable_seq, *_ = [*seen.split(), "", ""]
            if state != "enabled" or enable_seq != str(self._ruling.enable_seq):
                raise self._ejected(self._ruling.assignment, f"the kernel's scheduler is {seen or 'gone'}")

    def _ejected(self, assignment: Assignment, seen: str) -> HelperError:
        entries = self._helper().history(limit=20)
        ends = [each for each in entries if each.exit is not None and each.assignment == assignment]
        why = str(ends[-1].exit) if ends else seen
        self._ruling = None
        return HelperError(f"{assignment} did not stay: {why}", code=EJECTED)

    def _helper(self) -> HelperClient:
        if self._opened is None:
            self._opened = self._machine.helper()
        return self._opened
