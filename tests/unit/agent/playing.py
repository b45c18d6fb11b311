# SPDX-License-Identifier: Apache-2.0
"""A run of the anthropic backend against a scripted server. Gates that need no machine are real."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fleetsched.agent.anthropic.backend import AnthropicBackend
from fleetsched.agent.budget import Meter
from fleetsched.agent.interface import Candidate, Draft, Task, Workbench
from fleetsched.agent.scripted.script import Script, read_script
from fleetsched.agent.scripted.server import ScriptedServer
from fleetsched.agent.transcript import FILE
from fleetsched.agent.workbench import Means, RunWorkbench
from fleetsched.gates.compile import compile_variant
from fleetsched.gates.inspect import inspect
from fleetsched.gates.outcome import Outcome
from fleetsched.gates.schema import schema
from fleetsched.model.controller import AgentAccess, Budget
from fleetsched.model.evidence import Evidence
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult
from fleetsched.model.goal import Objective, WorkloadGoal
from fleetsched.model.lesson import Lesson
from fleetsched.model.policy import Policy
from fleetsched.model.suitability import rank
from fleetsched.operations.catalogue import catalogue
from tests.unit.experiments import evidence, metric

SCRIPTS = Path(__file__).parents[2] / "data" / "scripts"
KEY = "sk-ant-api03-of-the-tests-0123456789"
DAY = "2026-11-26"
GOAL = WorkloadGoal("web-latency", "web", "default", objective=Objective("wakeup_latency_p99_us", "minimize"))
_UNCHECKED = "\n\tlate = clamp_u64(ctx->ran_ns"
_VERIFIER = GateFinding("verifier", "R0 invalid mem access 'map_value_or_null'", "short_first_enqueue")


@dataclass(frozen=True)
class Played:
    """What came of a run."""

    draft: Draft
    server: ScriptedServer
    said: tuple[str, ...]
    folder: Path
    again: Callable[[], Draft]

    @property
    def transcript(self) -> str:
        return (self.folder / FILE).read_text(encoding="utf-8")


class Clock:
    """A clock that goes on by `step_s` each time it is read."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.step_s, self.now_s = step_s, 0.0

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def cache_of(tmp_path: Path) -> Path:
    """Where objects are kept: the same for all tests of a process, since compiling takes longest."""
    return tmp_path.parent / "objects"


def script_named(name: str) -> Script:
    return read_script(SCRIPTS / f"{name}.yaml")


def task(
    goal: WorkloadGoal = GOAL,
    policies: Iterable[Policy] | None = None,
    lessons: tuple[Lesson, ...] = (),
    workload: str = "message-wakeups",
) -> Task:
    known = list(catalogue().values() if policies is None else policies)
    suitability = rank(goal.name, goal.objective, known, ())
    return Task(goal, None, suitability, {each.name: each for each in known}, lessons, workload)


def play(
    script: Script,
    tmp_path: Path,
    *,
    task: Task | None = None,
    budget: Budget | None = None,
    clock: Callable[[], float] | None = None,
    log: str = "",
) -> Played:
    """Run a script to its end. `log` is what the verifier prints beside its finding."""
    wanted = task or _task()
    budget = budget or Budget()
    said: list[str] = []

    def run(folder: Path, file: Path | None, url: str) -> Draft:
        meter = Meter(budget, clock or Clock())
        access = AgentAccess("anthropic", script.model, url=url, budget=budget)
        means = Means(
            _gates(cache_of(tmp_path), log), _measure, lambda policy, variant: f"{policy.name:0<64}"
        )
        bench: Workbench = RunWorkbench(wanted, folder, means, meter, backend="anthropic", model=script.model)
        backend = AnthropicBackend(access, KEY, folder, meter, DAY)
        if file is not None:
            return backend.replay(file, wanted, bench, said.append)
        return backend.draft(wanted, bench, said.append)

    folder = tmp_path / "run"
    with ScriptedServer(script) as server:
        draft = run(folder, None, server.url)
    return Played(draft, server, tuple(said), folder, lambda: run(tmp_path / "again", folder / FILE, ""))


_task = task


def _gates(cache: Path, log: str) -> Callable[[Candidate, Gate], GateReport]:
    """Schema, compile and inspect as they are; a verifier that knows one mistake; everything else passes."""

    def judged(candidate: Candidate, until: Gate) -> GateReport:
        results: list[GateResult] = []
        digest = ""
        policy, outcome = schema(candidate.folder)
        for gate in list(Gate)[: list(Gate).index(until) + 1]:
            if gate is Gate.COMPILE and policy is not None:
                built, outcome = compile_variant(policy, candidate.variant, cache=cache)
            elif gate is Gate.INSPECT and policy is not None and built is not None:
                digest = built.digest
                _, outcome = inspect(built.image, policy)
            elif gate is Gate.VERIFY:
                wrong = candidate.generated and _UNCHECKED in _source(candidate)
                outcome = (
                    Outcome((_VERIFIER,), log or "0: (85) call bpf_task_storage_get") if wrong else Outcome()
                )
            results.append(outcome.result(gate, seconds=1.0))
            if not outcome.passed:
                break
            outcome = Outcome()
        return GateReport(candidate.policy, candidate.variant, digest, tuple(results))

    return judged


def _source(candidate: Candidate) -> str:
    return (candidate.folder / f"{candidate.policy}.bpf.c").read_text(encoding="utf-8")


def _measure(candidate: Candidate, repeats: int, seed: int, left_s: float) -> Evidence:
    faster = 300.0 if candidate.parameters or candidate.generated else 400.0
    rows = (metric("wakeup_latency_p99_us", faster, 1600, count=max(repeats, 10)),)
    return replace(evidence(rows, policy=candidate.policy, digest=candidate.digest), seed=seed)


def spent_by(script: Script) -> Mapping[str, int]:
    """What a script's answers cost, in tokens, added up by hand."""
    usages = [turn.answer.usage for turn in script.turns if turn.answer is not None]
    return {
        "in": sum(each.input + each.cache_write for each in usages),
        "out": sum(each.output for each in usages),
        "cached": sum(each.cache_read for each in usages),
    }
