# SPDX-License-Identifier: Apache-2.0
"""What is known of a goal's hosts, and the task that the agent is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetsched.errors import InputError
from fleetsched.helper.session import INSTALL_REMEDY
from fleetsched.model.evaluation import check_guardrails, kernel_for, workloads_for
from fleetsched.model.fleet import Fleet
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.lesson import relevant
from fleetsched.model.plan import Observed
from fleetsched.model.policy import Policy
from fleetsched.model.profile import Profile
from fleetsched.model.suitability import HostKernel, Suitability

if TYPE_CHECKING:
    from fleetsched.agent.interface import Task


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the hosts.

    Attributes:
        observed: what they said; those that are missing or did not answer are not checked.
        profile: what they counted; None = nothing.
    """

    observed: Mapping[str, Observed]
    profile: Profile | None = None

    def kernels(self, names: Sequence[str]) -> list[HostKernel]:
        """The kernels of those hosts that said it."""
        counted = {host.host: host for host in self.profile.seen} if self.profile else {}
        found = []
        for name in names:
            seen = self.observed.get(name, Observed())
            if seen.facts:
                found.append(HostKernel(name, seen.facts.kernel_release, seen.facts.arch))
            elif seen.kernel_release:
                found.append(HostKernel(name, seen.kernel_release, seen.arch))
            elif name in counted:
                found.append(HostKernel(name, counted[name].kernel_release, counted[name].arch))
        return found

    def profile_of(self, goal: WorkloadGoal, names: Sequence[str]) -> Profile | None:
        """What was counted of a goal's tasks on its hosts; None when none of them did."""
        found = self.profile.about(goal.tasks, names) if self.profile else None
        return found if found is not None and found.hosts else None

    def unseen(self, names: Sequence[str]) -> Iterator[str]:
        """Why nothing was counted on some of these hosts that were asked, a line a reason."""
        asked = [self.observed[name] for name in names if name in self.observed] if self.profile else []
        missing = sum(seen.helper_missing for seen in asked)
        silent = sum(bool(seen.error) for seen in asked)
        if missing:
            yield f"hosts without a helper, whose work is not known: {missing} ({INSTALL_REMEDY})"
        if silent:
            yield f"hosts that could not be asked: {silent}"


def task_for(
    goal: WorkloadGoal,
    suitability: Suitability,
    fleet: Fleet,
    policies: Mapping[str, Policy],
    known: Known,
) -> Task:
    """Make the task of a goal.

    Args:
        goal: what is asked.
        suitability: how the policies compare.
        fleet: whose workloads it is measured on, and whose lessons there are.
        policies: that can be chosen.
        known: of the hosts.

    Raises:
        InputError: nothing measures what the goal wants, what must not get worse, or what it has; the remedy
            says what to write.
    """
    from fleetsched.agent.interface import Task
    from fleetsched.lab.kernels import MATRIX, PREFERRED

    workload = workloads_for(goal, fleet.workloads)[0]
    check_guardrails(goal, fleet.workloads)
    _check_incumbent(goal, policies)
    names = [host.name for host in fleet.hosts(goal.host_group)]
    profile = known.profile_of(goal, names)
    kernels = tuple(dict.fromkeys((*PREFERRED, *MATRIX)))
    return Task(
        goal=goal,
        profile=profile,
        suitability=suitability,
        policies=policies,
        lessons=relevant(
            [lesson for each in fleet.lessons.values() for lesson in each],
            workload=workload,
            objective=goal.objective.metric if goal.objective else "",
            features=profile.features if profile else {},
        ),
        workload=workload,
        kernel=kernel_for([host.kernel_release for host in known.kernels(names)], kernels),
    )


def _check_incumbent(goal: WorkloadGoal, policies: Mapping[str, Policy]) -> None:
    incumbent = policies.get(goal.policy.name) if goal.policy else None
    if incumbent is not None and incumbent.program is not None:
        raise InputError(
            f"goal {goal.name} runs the program {incumbent.name}, which only hosts have: nothing can be "
            "compared with it here",
            remedy="`--unmeasured` chooses by what policies declare; or bind kernel-default first",
        )
