# SPDX-License-Identifier: Apache-2.0
"""The workbench of one run: candidates in its folder, gates, and measurements.

    <run>/candidates/c2/<name>/    a policy that was written in this run
    <run>/gates/c2-stress.json     what the gates said of a candidate, up to this one
    <run>/evidence/c2-1.json       what was measured of it

Where gates and measurements run is given (`Means`), so that nothing here knows a machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fleetsched.agent.budget import Meter
from fleetsched.agent.faults import Faults, could_not_run, lab_error
from fleetsched.agent.generated import Author, check_name, described, source_bytes, write_folder
from fleetsched.agent.interface import Candidate, LabLostError, Task
from fleetsched.build.include import read_headers
from fleetsched.build.policy import compile_policy
from fleetsched.errors import InputError
from fleetsched.fleetrepo.evidence import evidence_text
from fleetsched.fleetrepo.policies import POLICY_FILE
from fleetsched.model.evidence import Evidence, Scalar
from fleetsched.model.gate import Gate, GateReport
from fleetsched.model.gate_records import report_record
from fleetsched.model.policy import Parameter, Policy
from fleetsched.model.suggest import suggestion

SEARCH_SEED = 1
"""Of measurements in a run. The final comparison takes another, so that no search can fit this one."""
MOST_REPEATS = 20

_ANY = {"cpu_utilisation": 1.0}  # where CPUs are idle no policy matters


@dataclass(frozen=True, slots=True)
class Means:
    """Where the work is done.

    Attributes:
        gates: send a candidate through them, up to this one.
        measure: a candidate against the kernel's own scheduler and the incumbent, on the task's workload, so
            many times, with this seed, within so many seconds.
        digest: of the object of a policy's variant; raises BuildError.
    """

    gates: Callable[[Candidate, Gate], GateReport]
    measure: Callable[[Candidate, int, int, float], Evidence]
    digest: Callable[[Policy, str], str] = lambda policy, variant: (
        compile_policy(policy.folder, policy.variants[variant]).digest
    )


class RunWorkbench:
    """A `Workbench` over a run's folder.

    Args:
        task: what is asked.
        folder: of the run; made if missing.
        means: where the work is done.
        meter: of the run.
        backend: who writes policies, for their provenance; `model` the language model.
        seed: of measurements.
    """

    def __init__(
        self,
        task: Task,
        folder: Path,
        means: Means,
        meter: Meter,
        *,
        backend: str,
        model: str = "",
        seed: int = SEARCH_SEED,
    ) -> None:
        self._task, self._folder, self._means, self._meter = task, folder, means, meter
        self._author = Author(backend, model, task.goal.name, task.kernel, _suits(task))
        self.seed = seed
        self._known: dict[object, str] = {}  # what makes a candidate the same, to its id
        self._candidates: dict[str, Candidate] = {}
        self._sound: set[str] = set()  # ids of those that passed up to stress
        self._measured: dict[str, int] = {}
        self._faults = Faults()

    def read(self, policy: str) -> Mapping[str, str]:
        """See `Workbench`."""
        folder = self._policy(policy).folder
        names = (POLICY_FILE, f"{policy}.bpf.c", f"{policy}.bpf.c.j2", "README.md")
        files = [folder / name for name in names]
        return {
            file.name: file.read_text(encoding="utf-8", errors="replace")
            for file in files
            if file.is_file() and not file.is_symlink()
        }

    def headers(self) -> Mapping[str, str]:
        """See `Workbench`."""
        return {name: content.decode() for name, content in read_headers().items()}

    def choose(self, policy: str, variant: str, parameters: Mapping[str, Scalar]) -> Candidate:
        """See `Workbench`."""
        found = self._policy(policy)
        self._check_usable(found)
        if variant not in found.variants:
            raise InputError(
                f"policy {policy} has no variant {variant!r}{suggestion(variant, found.variants)}",
                remedy=f"it has: {', '.join(found.variants)}",
            )
        checked = {name: _value(found, name, value) for name, value in parameters.items()}
        digest = self._means.digest(found, variant)
        resolved = found.resolve({name: int(value) for name, value in checked.items()})
        same = (digest, *sorted(resolved.items()))
        return self._candidate(
            same, lambda identity: Candidate(identity, policy, found.folder, variant, checked, digest)
        )

    def write(self, name: str, source: str, description: str) -> Candidate:
        """See `Workbench`."""
        check_name(name, self._task.policies)
        content, said = source_bytes(source), described(description)

        def make(identity: str) -> Candidate:
            folder = self._folder / "candidates" / identity / name
            write_folder(folder, content, said, self._author)
            return Candidate(identity, name, folder, generated=True)

        # A name or description that was wrong can be put right: it is in the proposal, as the source is.
        return self._candidate((name, said, hashlib.sha256(content).hexdigest()), make)

    def check(self, candidate: Candidate, until: Gate) -> GateReport:
        """See `Workbench`."""
        mine = self._mine(candidate)
        self._meter.check()
        report = self._faults.of(lambda: self._means.gates(mine, until), could_not_run)
        self._candidates[mine.id] = replace(mine, digest=report.digest or mine.digest)
        if report.passes(Gate.STRESS):
            self._sound.add(mine.id)
        self._keep(f"gates/{mine.id}-{until}.json", json.dumps(report_record(report), indent=1) + "\n")
        return report

    def benchmark(self, candidate: Candidate, repeats: int) -> Evidence:
        """See `Workbench`."""
        mine = self._mine(candidate)
        if mine.id not in self._sound:
            raise InputError(
                f"candidate {mine.id} has not passed the gates up to stress", remedy="send it there first"
            )
        if not self._task.workload:
            raise InputError("there is no workload to measure on", remedy="start again, and name one")
        if not 1 <= repeats <= MOST_REPEATS:
            raise InputError(f"repeats is 1 to {MOST_REPEATS}, got {repeats}", remedy="ask for less or more")
        self._meter.check()
        left_s = self._meter.left.wall_s
        evidence = self._faults.of(lambda: self._means.measure(mine, repeats, self.seed, left_s))
        number = self._measured[mine.id] = self._measured.get(mine.id, 0) + 1
        self._keep(f"evidence/{mine.id}-{number}.json", evidence_text(evidence))
        return evidence

    def candidate(self, identity: str) -> Candidate:
        """A candidate as it is now: with its digest, once it compiled.

        Raises:
            InputError: there is none.
        """
        if identity not in self._candidates:
            raise InputError(f"no candidate {identity!r}{suggestion(identity, self._candidates)}")
        return self._candidates[identity]

    def _policy(self, name: str) -> Policy:
        if name not in self._task.policies:
            raise InputError(
                f"no policy {name!r}{suggestion(name, self._task.policies)}",
                remedy="choose one of the list of policies",
            )
        return self._task.policies[name]

    def _check_usable(self, policy: Policy) -> None:
        if policy.program is not None:
            raise InputError(
                f"policy {policy.name} is a program that hosts have installed: nothing here can measure it",
                remedy="choose a policy that is built here",
            )
        excluded = next(
            (each.excluded for each in self._task.suitability.candidates if each.name == policy.name), ""
        )
        if excluded:
            raise InputError(f"policy {policy.name} cannot be used: {excluded}", remedy="choose another")

    def _candidate(self, same: object, make: Callable[[str], Candidate]) -> Candidate:
        """The candidate that is the same, or a new one, which counts."""
        if same in self._known:
            return self._candidates[self._known[same]]
        self._meter.check()
        self._meter.candidate()
        made = make(f"c{len(self._candidates) + 1}")
        self._known[same] = made.id
        self._candidates[made.id] = made
        return made

    def _mine(self, candidate: Candidate) -> Candidate:
        return self.candidate(candidate.id)

    def _keep(self, name: str, text: str) -> None:
        file = self._folder / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            fault = lab_error(error)
            raise LabLostError(fault.message, remedy=fault.remedy) from error


def _suits(task: Task) -> dict[str, float]:
    """What the task is about: the features that anything is known of."""
    known = {feature: float(each.value) for feature, each in task.suitability.values.items() if each.value}
    return known or dict(_ANY)


def _value(policy: Policy, name: str, value: Scalar) -> Scalar:
    declared = policy.parameters.get(name)
    if declared is None:
        raise InputError(
            f"policy {policy.name} has no parameter {name!r}{suggestion(name, policy.parameters)}",
            remedy=f"it has: {', '.join(policy.parameters) or 'none'}",
        )
    if not declared.minimum <= value <= declared.maximum:
        raise InputError(
            f"policy {policy.name}: {name} is {_range(declared)}, got {value}",
            remedy=f"its default is {declared.default}",
        )
    return bool(value) if declared.type == "bool" else int(value)


def _range(declared: Parameter) -> str:
    return f"{declared.minimum} to {declared.maximum} {declared.unit}".rstrip()
