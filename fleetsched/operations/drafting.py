# SPDX-License-Identifier: Apache-2.0
"""One goal through the agent: a task, a draft, and the final comparison of what stands in line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fleetsched.agent.faults import lab_error
from fleetsched.agent.interface import INTERRUPTED, Candidate, Draft, Task
from fleetsched.errors import FleetschedError, InterruptedRunError, LabError
from fleetsched.fleetrepo.lessons import lessons_text
from fleetsched.model.account import Account
from fleetsched.model.evidence import MOST_IN_LINE, Evidence
from fleetsched.model.fleet import Fleet
from fleetsched.model.gate import GateReport
from fleetsched.model.judgement import Compared, Rejected
from fleetsched.model.lesson import Lesson
from fleetsched.operations.final import Attempt, Final
from fleetsched.operations.workshop import Workshop

_INTERRUPTED = "the run was interrupted"


@dataclass(frozen=True, slots=True)
class Drafted:
    """What came of one goal's run.

    Attributes:
        folder: of the run.
        in_line: how many candidates stood in line for the final comparison.
        attempts: those that were compared, in order; only the last can have passed.
        nothing: why none was, in a line; empty when one was.
        lessons: what was learnt in this run.
        seconds: that all of it took.
        unkept: why its lessons could not be written.
        interrupted: somebody wanted it to end, by Ctrl-C or SIGTERM; nothing is proposed then.
    """

    task: Task
    draft: Draft
    folder: Path
    in_line: int = 0
    attempts: tuple[Attempt, ...] = ()
    nothing: str = ""
    lessons: tuple[Lesson, ...] = ()
    seconds: float = 0.0
    unkept: LabError | None = None
    interrupted: bool = False

    @property
    def candidate(self) -> Candidate | None:
        """What is to be proposed; None = nothing."""
        if self.interrupted or not self.attempts or not self.attempts[-1].passed:
            return None
        return self.attempts[-1].candidate

    @property
    def error(self) -> FleetschedError | None:
        """What a person has to look at where nothing is proposed; None = nothing is worth proposing."""
        if self.candidate is not None:
            return None
        if self.interrupted:
            kept = f"and {self.unkept.message}" if self.unkept else f"and what was learnt is in {self.folder}"
            return InterruptedRunError(
                f"goal {self.task.goal.name}: interrupted; nothing is proposed, {kept}"
            )
        broken = [each.error for each in self.attempts if each.error is not None]
        return next(iter(broken), None) or (None if self.attempts else self.draft.error) or self.unkept

    @property
    def shown(self) -> Attempt | None:
        """The comparison that is shown in full: of what is proposed, else of what the backend drafted."""
        if not self.attempts:
            return None
        return self.attempts[-1] if self.candidate is not None else self.attempts[0]

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """The other comparisons."""
        return tuple(each.rejected for each in self.attempts if each is not self.shown)

    @property
    def account(self) -> Account:
        """What the run says of itself."""
        spent, shown = self.draft.spent, self.shown
        return Account(
            goal=self.task.goal.name,
            workload=self.task.workload,
            kernel=self.task.kernel,
            backend=self.draft.backend,
            ended=self.draft.ended,
            explanation=self.draft.explanation,
            tried=len(self.draft.tried),
            measured=len(self.draft.evidence),
            seconds=self.seconds,
            usd=str(spent.usd),
            tokens=spent.tokens_in + spent.tokens_out + spent.tokens_cached,
            runs=str(self.folder),
            model=self.draft.model,
            transcript=self.draft.transcript,
            compared=self.compared,
            judgement=shown.judgement if shown else None,
            stopped=shown.ended if shown else self.nothing,
            in_line=self.in_line,
            rejected=self.rejected,
            broke_off=bool(self.attempts) and self.attempts[-1].error is not None,
        )

    @property
    def compared(self) -> tuple[Compared, ...]:
        """What is shown in full, workload by workload; empty when there was nothing to compare."""
        return self.shown.compared if self.shown else ()

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Metrics of guardrails that nothing measured."""
        judged = self.shown.judgement if self.shown else None
        return judged.unmeasured if judged else ()

    @property
    def gates(self) -> tuple[GateReport, ...]:
        """What they said of it, before that."""
        return self.shown.gates if self.shown else ()

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Of what is shown in full."""
        return tuple(each.evidence for each in self.compared)


def draft_for(task: Task, fleet: Fleet, shop: Workshop) -> Drafted:
    """Work on a task, then compare what was drafted, and the next best, with what there is.

    KeyboardInterrupt ends it early, with all that is known by then.

    Args:
        task: what is asked.
        fleet: whose workloads the comparison is on.
        shop: who drafts, and where it is measured.

    Raises:
        FleetschedError: there is nothing to work with: no key, no lab, a goal that nothing can measure.
    """
    began_s = shop.clock()
    run = shop.begin(task.goal.name)
    shop.say(f"goal {task.goal.name}: backend {shop.backend}, workload {task.workload}, Linux {task.kernel}")
    made = Drafted(task, Draft(shop.backend, None, "", INTERRUPTED, model=shop.model), run.folder)
    try:
        draft = shop.draft(fleet.workloads, run, task)
        made = replace(made, draft=draft, lessons=draft.lessons)
        made = _compared(made, Final(task, fleet, shop, run, began_s))
    except KeyboardInterrupt:  # where nobody had anything of it to keep
        made = replace(made, nothing=_INTERRUPTED, interrupted=True)
    made = replace(made, seconds=shop.clock() - began_s)
    try:
        (run.folder / "lessons.yaml").write_text(lessons_text((), made.lessons), encoding="utf-8")
    except OSError as error:
        made = replace(made, unkept=lab_error(error))
    return made


def _compared(made: Drafted, final: Final) -> Drafted:
    """With what became of the draft in the final comparison."""
    draft, task = made.draft, made.task
    if draft.ended == INTERRUPTED:
        return replace(made, nothing=_INTERRUPTED, interrupted=True)
    if draft.candidate is None:
        lost = f"; the search ended early: {draft.error.message}" if draft.error else ""
        return replace(made, nothing=f"there is no draft to compare{lost}")
    if _is_incumbent(task, draft.candidate):
        return replace(made, nothing="the draft is what the goal has already")
    line = [each for each in draft.line if not _is_incumbent(task, each)][:MOST_IN_LINE]
    attempts = tuple(final.attempts(line))
    return replace(
        made,
        in_line=len(line),
        attempts=attempts,
        lessons=(*made.lessons, *(lesson for each in attempts for lesson in each.lessons)),
        interrupted=any(isinstance(each.error, InterruptedRunError) for each in attempts),
    )


def _is_incumbent(task: Task, candidate: Candidate) -> bool:
    bound = task.goal.policy
    if (
        bound is None
        or candidate.generated
        or (bound.name, bound.variant) != (candidate.policy, candidate.variant)
    ):
        return False
    policy = task.policies[bound.name]
    set_now = {name: int(value) for name, value in candidate.parameters.items()}
    return policy.resolve(set_now) == policy.resolve(bound.parameters)
