# SPDX-License-Identifier: Apache-2.0
"""The gates in their order: policies in, a report a variant out.

What fails before any machine starts none. A kernel is booted, or restored, once for all that are judged on
it; nothing follows a failure on the same kernel, and the other kernels go on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fleetsched.bench.measure import ArmImage, Clock
from fleetsched.build.declared import ops_name
from fleetsched.errors import BuildError, HelperError, LabError, UnreachableError
from fleetsched.gates.attach import attach
from fleetsched.gates.benchmark import Benchmark, benchmark
from fleetsched.gates.cache import ResultCache
from fleetsched.gates.compile import compile_variant
from fleetsched.gates.course import CourseMachine, Seen, go
from fleetsched.gates.inspect import inspect
from fleetsched.gates.machines import LabMachines, LabTargets, Machines, Say, Targets
from fleetsched.gates.outcome import Outcome, skipped
from fleetsched.gates.schema import schema
from fleetsched.gates.soak import soak
from fleetsched.gates.stress import stress
from fleetsched.gates.verify import verify
from fleetsched.model.evidence import CANDIDATE, Arm
from fleetsched.model.gate import Gate, GateReport, GateResult, GateVerdict
from fleetsched.model.policy import Policy

ON_MACHINES = (Gate.VERIFY, Gate.ATTACH, Gate.STRESS, Gate.SOAK)
LAST = Gate.STRESS
"""Where the cascade ends unless somebody asks for more."""

_ARCH = "x86_64"
_ORDER = list(Gate)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the gates.

    Attributes:
        kernels: such as `6.18`.
        until: the last gate but for the benchmark.
        variant: of each policy; None = all.
        cached: whether an earlier verdict about exactly this counts.
        benchmark: what is measured of what passes all others; None = nothing is.
        parameters: that the policies do not have by themselves.
    """

    kernels: tuple[str, ...]
    until: Gate = LAST
    variant: str | None = None
    cached: bool = True
    benchmark: Benchmark | None = None
    parameters: Mapping[str, int] = field(default_factory=dict, hash=False)

    def asks(self, gate: Gate) -> bool:
        """Whether this gate belongs to it."""
        if gate is Gate.BENCHMARK:
            return self.benchmark is not None
        return _ORDER.index(gate) <= _ORDER.index(self.until)


@dataclass(slots=True)
class _Subject:
    """One variant on its way through the gates."""

    folder: Path
    variant: str
    policy: Policy | None = None
    digest: str = ""
    image: bytes = b""
    parameters: Mapping[str, int] = field(default_factory=dict)
    results: list[GateResult] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.policy.name if self.policy else self.folder.name

    @property
    def candidate(self) -> ArmImage:
        """What is measured of it."""
        assert self.policy is not None
        parameters = self.policy.resolve(self.parameters)
        return ArmImage(Arm(CANDIDATE, self.policy.name, self.variant, self.digest, parameters), self.image)

    def on(self, machine: str) -> str:
        """What a verdict about its object depends on, beside that."""
        return f"{machine} {json.dumps(self.parameters, sort_keys=True)}" if self.parameters else machine

    def report(self) -> GateReport:
        return GateReport(self.name, self.variant, self.digest, tuple(self.results), self.parameters)


def run_gates(
    folders: Sequence[Path],
    wanted: Wanted,
    say: Say,
    *,
    machines: Machines | None = None,
    targets: Targets | None = None,
    cache: ResultCache | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> list[GateReport]:
    """Send policies through the gates.

    Args:
        folders: one a policy.
        wanted: how far, on which kernels.
        say: told what takes long.
        machines: None = the lab's.
        targets: where is measured; None = machines of the lab.
        cache: of results on machines; None = the user's.
        clock: seconds of this computer's time.

    Returns:
        A report a variant, in the order of `folders`. A gate that could not run says so in its result.
    """
    machines, targets, cache = machines or LabMachines(), targets or LabTargets(), cache or ResultCache()
    subjects = [subject for folder in folders for subject in _built(folder, wanted, clock)]
    ready = [subject for subject in subjects if subject.image]
    if ready and wanted.asks(Gate.VERIFY):
        for kernel in wanted.kernels:
            _Kernel(kernel, wanted, say, machines, cache, clock).judge(ready)
            if wanted.benchmark:
                _Measuring(kernel, wanted.benchmark, wanted.cached, say, targets, cache, clock).judge(ready)
    return [subject.report() for subject in subjects]


def _built(folder: Path, wanted: Wanted, clock: Callable[[], float]) -> list[_Subject]:
    """The variants of one policy after the gates that need no machine."""
    began = clock()
    policy, outcome = schema(folder)
    result = outcome.result(Gate.SCHEMA, seconds=clock() - began)
    names = [wanted.variant] if wanted.variant else list(policy.variants) if policy else ["default"]
    # What it has by itself makes no other question: the verdict that is remembered is the same.
    parameters = policy.unlike_defaults(wanted.parameters) if policy else wanted.parameters
    subjects = [_Subject(folder, name, policy, parameters=parameters, results=[result]) for name in names]
    for subject in subjects:
        if policy is None or not outcome.passed:
            continue
        if policy.program is not None:
            why = "a policy of `kind: program` is not built here: hosts have it, and judge it in a trial"
            later = [gate for gate in Gate if gate is not Gate.SCHEMA and wanted.asks(gate)]
            subject.results += [skipped(gate, why) for gate in later]
        elif wanted.asks(Gate.COMPILE):
            _build(subject, policy, wanted, clock)
    return subjects


def _build(subject: _Subject, policy: Policy, wanted: Wanted, clock: Callable[[], float]) -> None:
    began = clock()
    built, outcome = compile_variant(policy, subject.variant)
    subject.results.append(outcome.result(Gate.COMPILE, seconds=clock() - began))
    if built is None:
        return
    subject.digest = built.digest
    if not wanted.asks(Gate.INSPECT):
        return
    began = clock()
    info, outcome = inspect(built.image, policy)
    subject.results.append(outcome.result(Gate.INSPECT, seconds=clock() - began))
    if info is not None:
        subject.image = built.image


@dataclass(slots=True)
class _Kernel:
    """The gates on one kernel."""

    kernel: str
    wanted: Wanted
    say: Say
    machines: Machines
    cache: ResultCache
    clock: Callable[[], float]
    release: str = ""
    identity: str = ""

    def judge(self, subjects: Sequence[_Subject]) -> None:
        try:
            self.release, self.identity = self.machines.identify(self.kernel, self.say)
        except (LabError, BuildError) as error:
            for subject in subjects:
                subject.results.append(self._error(Gate.VERIFY, error, self.kernel))
            return
        left = [subject for subject in subjects if not self._answered(subject)]
        if not left:
            return
        done: list[_Subject] = []
        began = self.clock()
        try:
            with self.machines.open(self.kernel, self.say) as machine:
                for subject in left:
                    if done:
                        began = self.clock()
                        machine.reset()
                    self.say(f"{subject.name}/{subject.variant} on {self.release}")
                    self._judge(subject, machine, self.clock() - began)
                    done.append(subject)
        except (LabError, BuildError) as error:
            for subject in left[len(done) :]:
                subject.results.append(self._error(Gate.VERIFY, error, self.release))

    def _answered(self, subject: _Subject) -> bool:
        """Whether nothing has to run: the kernel is not for it, or it was judged before."""
        assert subject.policy is not None
        unmet = subject.policy.requires.unmet(self.release, _ARCH)
        if unmet:
            subject.results.append(skipped(Gate.VERIFY, unmet, self.release))
            return True
        found: list[GateResult] = []
        for gate in self._gates():
            result = (
                self.cache.get(gate, subject.digest, subject.on(self.identity))
                if self.wanted.cached
                else None
            )
            if result is None:
                return False
            found.append(result)
            if result.verdict is not GateVerdict.PASSED:
                break
        subject.results += found
        return True

    def _gates(self) -> list[Gate]:
        return [gate for gate in ON_MACHINES if self.wanted.asks(gate)]

    def _judge(self, subject: _Subject, machine: CourseMachine, opening_s: float) -> None:
        """Send one over the course. The first gate pays for the machine."""
        began = self.clock()
        try:
            seen = go(
                machine,
                subject.name,
                subject.variant,
                subject.image,
                parameters=subject.parameters,
                soak=self.wanted.asks(Gate.SOAK),
                clock=self.clock,
            )
        except (LabError, HelperError, UnreachableError) as error:
            subject.results.append(self._error(Gate.VERIFY, error, self.release, self.clock() - began))
            return
        for gate in self._gates():
            outcome = _judges(gate, seen, subject.name)
            seconds = seen.seconds.get(gate, 0.0) + (opening_s if gate is Gate.VERIFY else 0.0)
            result = outcome.result(gate, kernel=self.release, seconds=seconds)
            subject.results.append(result)
            self.cache.put(result, subject.digest, subject.on(self.identity))
            if not outcome.passed:
                break

    def _error(self, gate: Gate, error: Exception, kernel: str, seconds: float = 0.0) -> GateResult:
        return Outcome(error=str(error)).result(gate, kernel=kernel, seconds=seconds)


@dataclass(slots=True)
class _Measuring:
    """The benchmark gate on one kernel, for who passed the others there."""

    kernel: str
    asked: Benchmark
    cached: bool
    say: Say
    targets: Targets
    cache: ResultCache
    clock: Callable[[], float]

    def judge(self, subjects: Sequence[_Subject]) -> None:
        for subject in subjects:
            last = subject.results[-1]
            if last.gate in ON_MACHINES and last.verdict is GateVerdict.PASSED:
                subject.results.append(self._result(subject, last.kernel))

    def _result(self, subject: _Subject, release: str) -> GateResult:
        began = self.clock()
        try:
            machine = self.targets.identify(self.kernel, self.asked.workload, self.say)
            identity = self.asked.identity(subject.on(machine))
            if self.cached:
                result = self.cache.get(Gate.BENCHMARK, subject.digest, identity)
                if result is not None:
                    return result
            with self.targets.open(self.kernel, self.asked.workload, self.say) as target:
                self.say(f"{subject.name}/{subject.variant}: {self.asked.workload.name} on {release}")
                clock = Clock(self.clock, lambda: datetime.now(UTC))
                outcome = benchmark(subject.candidate, self.asked, target, self.say, clock)
        except (LabError, BuildError) as error:
            seconds = self.clock() - began
            return Outcome(error=str(error)).result(Gate.BENCHMARK, kernel=release, seconds=seconds)
        result = outcome.result(Gate.BENCHMARK, kernel=release, seconds=self.clock() - began)
        self.cache.put(result, subject.digest, identity)
        return result


def _judges(gate: Gate, seen: Seen, policy: str) -> Outcome:
    if gate is Gate.VERIFY:
        return verify(seen)
    if gate is Gate.ATTACH:
        return attach(seen, ops_name(policy))
    return stress(seen) if gate is Gate.STRESS else soak(seen)
