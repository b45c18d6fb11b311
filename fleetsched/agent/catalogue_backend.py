# SPDX-License-Identifier: Apache-2.0
"""The backend `catalogue`: no language model. Policies say what they suit, and measuring says what is good.

The few policies that suit best go through the gates and a short experiment with their defaults. Then the
parameters of the best one are searched, as long as there is budget. The kernel's own scheduler and the
incumbent are arms of every experiment: what does not beat them is not drafted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fleetsched.agent.budget import Meter
from fleetsched.agent.interface import INTERRUPTED, Backend, BudgetSpentError, Draft, Task, Workbench
from fleetsched.agent.learning import name_of
from fleetsched.agent.search import Search
from fleetsched.agent.trying import TIES, Trying
from fleetsched.errors import LabError
from fleetsched.model.evidence import Scalar
from fleetsched.model.goal import KERNEL_DEFAULT
from fleetsched.model.lesson import one_line
from fleetsched.model.policy import Policy

BACKEND = "catalogue"
FEW = 3
"""Policies that are measured with their defaults before one is tuned."""
MOST_SAME = 5
"""Questions in a row that were answered before: then the search has nothing new to ask."""


class CatalogueBackend(Backend):
    """Chooses from the catalogue and tunes.

    Args:
        meter: of the run; the workbench counts its candidates on the same.
        day: today, `2026-11-26`, for lessons.
        seed: of the search.
    """

    def __init__(self, meter: Meter, day: str, seed: int = 1) -> None:
        self._meter, self._day, self._seed = meter, day, seed

    def draft(self, task: Task, bench: Workbench, say: Callable[[str], None]) -> Draft:
        """See `Backend`."""
        trying, ended = Trying(task, bench, self._day), "finished"
        fault: LabError | None = None
        try:
            self._work(trying, say)
        except BudgetSpentError as error:
            ended = error.what
            trying.lines.append(f"The search ended early: {error.message}.")
        except LabError as error:
            ended, fault = "lab", error
            trying.lines.append(f"The search ended early: {one_line(error.message)}.")
        except KeyboardInterrupt:
            ended = INTERRUPTED
            trying.lines.append("The search was interrupted, so nothing is drafted.")
        line = trying.line if ended != INTERRUPTED else ()
        trying.lines.append(_conclusion(trying))
        return Draft(
            backend=BACKEND,
            candidate=line[0] if line else None,
            explanation="\n".join(trying.lines),
            ended=ended,
            spent=self._meter.spent(),
            tried=tuple(trying.tried.values()),
            evidence=tuple(trying.evidence),
            lessons=tuple(trying.lessons),
            runners_up=line[1:],
            error=fault,
        )

    def _work(self, trying: Trying, say: Callable[[str], None]) -> None:
        names = list(to_try(trying.task))
        if not names:
            trying.lines.append("No policy that can be measured here suits better than the kernel's own.")
        for name in names:
            self._meter.check()
            say(f"policy {name} with its defaults")
            trying.go(name, {})
        best = trying.best
        if best is not None and trying.task.policies[best[0].policy].parameters:
            say(f"the parameters of {best[0].policy}")
            self._tune(trying, trying.task.policies[best[0].policy])

    def _tune(self, trying: Trying, policy: Policy) -> None:
        search = Search(policy.parameters, self._seed, [policy.resolve({}), *learnt(trying.task, policy)])
        same = 0
        while same < MOST_SAME:
            self._meter.check()
            before = len(trying.tried)
            found = trying.go(policy.name, _typed(policy, search.ask()))
            same = same + 1 if len(trying.tried) == before else 0
            # What fails is as bad as what breaks every guardrail and more: the search goes elsewhere.
            search.tell(found.loss if found is not None else 1.0 + len(trying.task.goal.guardrails))


def to_try(task: Task) -> Iterator[str]:
    """The policies that suit best and can be built here, the best first, no more than `FEW`."""
    found = 0
    for each in task.suitability.candidates:
        policy = task.policies.get(each.name)
        if each.name == KERNEL_DEFAULT or each.excluded or policy is None or policy.program is not None:
            continue
        if found == FEW or each.score <= 0:
            return
        found += 1
        yield each.name


def learnt(task: Task, policy: Policy) -> Iterator[dict[str, int]]:
    """Parameters of a policy that did well before, the newest first."""
    for lesson in task.lessons:
        if lesson.policy == policy.name and lesson.outcome == "better" and lesson.parameters:
            known = {
                name: int(value) for name, value in lesson.parameters.items() if name in policy.parameters
            }
            yield policy.resolve(known)


def _typed(policy: Policy, values: Mapping[str, int]) -> dict[str, Scalar]:
    declared = policy.parameters
    return {name: bool(value) if declared[name].type == "bool" else value for name, value in values.items()}


def _conclusion(trying: Trying) -> str:
    best = trying.best
    if best is None:
        return "Nothing was measured, so nothing is drafted."
    if not best[1].is_better:
        return "Nothing beat what there is, so nothing is drafted."
    said = f"The best of the search: {name_of(best[0])}."
    if not trying.equals:
        return said
    return f"{said} Others did as well in the objective: {trying.equals}; among equals came first {TIES}."
