# SPDX-License-Identifier: Apache-2.0
"""What a backend of the agent is given, what it may use, and what it leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from fleetsched.errors import FleetschedError, LabError
from fleetsched.model.evidence import Evidence, Scalar
from fleetsched.model.gate import Gate, GateReport
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.lesson import Lesson
from fleetsched.model.policy import Policy
from fleetsched.model.profile import Profile
from fleetsched.model.suitability import Suitability

INTERRUPTED = "interrupted"
"""`Draft.ended` of a run that somebody wanted to end: Ctrl-C, or SIGTERM."""


class BudgetSpentError(FleetschedError):
    """A budget is used up; what is there so far counts.

    Args:
        what: which one: `usd`, `tokens`, `wall` or `candidates`.
    """

    def __init__(self, message: str, *, what: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.what = what


class LabLostError(LabError):
    """The lab fails again and again: nothing more can be known in this run; what is there so far counts."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One policy with its parameters, on its way to a proposal.

    Attributes:
        id: short, unique in a run: `c1`, `c2`, ...
        folder: of the policy; a generated one's is below the run's folder.
        digest: of the object, 64 hex digits; empty until it compiled.
        parameters: those that are set; the others keep their defaults.
        generated: written in this run, not of the catalogue.
    """

    id: str
    policy: str
    folder: Path
    variant: str = "default"
    parameters: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    digest: str = ""
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of a backend.

    Attributes:
        profile: what was observed of the goal's hosts; None = nothing.
        suitability: how the catalogue's policies compare by what they declare.
        policies: that can be chosen, by name; the fleet repository's come before the catalogue's.
        lessons: of earlier runs that concern this goal or profile, the newest first.
        workload: to measure on, by name; never one that is held out.
        kernel: such as `6.18`: of the machines to measure on, that of the goal's hosts where the lab has it.
    """

    goal: WorkloadGoal
    profile: Profile | None
    suitability: Suitability
    policies: Mapping[str, Policy] = field(hash=False)
    lessons: tuple[Lesson, ...] = ()
    workload: str = ""
    kernel: str = "6.18"


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has used: money in US dollars, exactly; time in seconds of this machine."""

    usd: Decimal = Decimal(0)
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    wall_s: float = 0.0
    candidates: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """What a backend leaves.

    Attributes:
        backend: `catalogue` or `anthropic`.
        candidate: the one to propose; None = keep what there is.
        runners_up: that were better in the search, too, and differ from it, the best first: each is compared
            if those before it lose.
        model: of language; `transcript` is the SHA-256 of its record.
        explanation: for the reviewer, in plain text; of a language model, so it is foreign text.
        tried: every candidate, in order.
        evidence: of the search; the final comparison is not among it.
        ended: `finished`, `gave-up`, `refused`, `lab` (it failed: `error` says how), `interrupted` (then
            there is no candidate), or the budget that was used up, by its name.
    """

    backend: str
    candidate: Candidate | None
    explanation: str
    ended: str
    spent: Spent = Spent()
    model: str = ""
    transcript: str = ""
    tried: tuple[Candidate, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    runners_up: tuple[Candidate, ...] = ()
    error: LabError | None = None

    @property
    def line(self) -> tuple[Candidate, ...]:
        """What is to be compared, in order, until one passes."""
        return (self.candidate, *self.runners_up) if self.candidate is not None else ()


class Workbench(Protocol):
    """What every backend may do. Each method ends within its own limits; none reaches a host or a forge."""

    def read(self, policy: str) -> Mapping[str, str]:
        """The files of a policy that can be chosen, as text by name.

        Raises:
            InputError: there is none.
        """
        ...

    def headers(self) -> Mapping[str, str]:
        """The headers that a policy is written against, as text by name."""
        ...

    def choose(self, policy: str, variant: str, parameters: Mapping[str, Scalar]) -> Candidate:
        """Make a candidate of a policy of the catalogue. The same again is the same candidate.

        Raises:
            InputError: no such policy, variant or parameter, or a value out of its range.
            BuildError: it does not compile.
            BudgetSpentError: no more candidates.
        """
        ...

    def write(self, name: str, source: str, description: str) -> Candidate:
        """Make a candidate of new source, `<name>.bpf.c`. All of it the same again is the same candidate.

        Raises:
            InputError: the name is taken or none, or the source is too long.
            BudgetSpentError: no more candidates.
        """
        ...

    def check(self, candidate: Candidate, until: Gate) -> GateReport:
        """Send a candidate through the gates, up to this one.

        Raises:
            LabError: the lab could not; LabLostError: again and again.
        """
        ...

    def benchmark(self, candidate: Candidate, repeats: int) -> Evidence:
        """Measure it on the task's workload against the kernel's own scheduler and the incumbent.

        Raises:
            InputError: it has not passed the gates up to stress.
            WorkloadError, BuildError, LabError, HelperError: it cannot be measured; the message says why.
            LabLostError: the lab fails again and again.
        """
        ...


class Backend(ABC):
    """Who chooses, tunes or writes."""

    @abstractmethod
    def draft(self, task: Task, bench: Workbench, say: Callable[[str], None]) -> Draft:
        """Work until there is a draft; a budget that is used up, or a lost lab, end it with the best so far.

        KeyboardInterrupt ends it, too, with all that is known by then and nothing drafted: a comparison of
        the best takes longer than somebody who wants it to end will wait.

        Raises:
            FleetschedError: it could not work at all: no key, no network.
        """


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing that a model may ask for, the same for every model and over MCP.

    Attributes:
        name: such as `write_policy`.
        description: for the model.
        parameters: JSON Schema of its arguments; nothing else is let in.
        run: gives a short structured answer, the first error first; raises FleetschedError for what the model
            did wrong.
    """

    name: str
    description: str
    parameters: Mapping[str, Any] = field(hash=False)
    run: Callable[[Mapping[str, Any]], Mapping[str, Any]] = field(hash=False)


Toolbox = Sequence[Tool]
