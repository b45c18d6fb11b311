# SPDX-License-Identifier: Apache-2.0
"""What is asked of whoever works with the agent's tools and has no proposal to make."""

from __future__ import annotations

from fleetsched.agent.interface import Task
from fleetsched.errors import UsageError
from fleetsched.model.fleet import Fleet
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.lesson import relevant
from fleetsched.model.profile import Profile
from fleetsched.model.suggest import suggestion
from fleetsched.model.suitability import rank
from fleetsched.operations.asking import Known
from fleetsched.operations.catalogue import catalogue

NO_GOAL = WorkloadGoal(name="no-goal", host_group="", rollout="")
"""What is asked where no goal is named: nothing in particular."""


def open_task(
    fleet: Fleet | None,
    goal: str | None,
    *,
    kernel: str,
    workload: str | None,
    profile: Profile | None = None,
) -> Task:
    """Say what is asked, for whoever works with tools alone.

    Args:
        fleet: the fleet repository around, if there is one: its policies come before the catalogue's.
        goal: one of it; None = nothing in particular.
        kernel: such as `6.18`.
        workload: instead of the goal's first one.
        profile: what hosts counted; of a goal's hosts only what they did of its work.

    Raises:
        UsageError: no such goal, no kernel's version, or a workload that is kept for the final comparison.
    """
    from fleetsched.lab.kernels import is_version

    if not is_version(kernel):
        raise UsageError(f"--kernel {kernel}: expected a version such as 6.18")
    asked = _goal(fleet, goal)
    if workload in asked.evaluation.hold_out:
        raise UsageError(
            f"goal {asked.name} holds out workload {workload}: nothing may be fitted to it",
            remedy="name another with --workload",
        )
    seen = _about(fleet, asked, profile)
    chosen = workload or next(iter(asked.evaluation.workloads), "")
    own = fleet.policies if fleet else {}
    policies = {**own, **{name: each for name, each in catalogue().items() if name not in own}}
    return Task(
        goal=asked,
        profile=seen,
        suitability=rank(asked.name, asked.objective, policies.values(), [], profile=seen),
        policies=policies,
        lessons=relevant(
            [lesson for each in fleet.lessons.values() for lesson in each] if fleet else (),
            workload=chosen,
            objective=asked.objective.metric if asked.objective else "",
            features=seen.features if seen else {},
        ),
        workload=chosen,
        kernel=kernel,
    )


def _about(fleet: Fleet | None, goal: WorkloadGoal, profile: Profile | None) -> Profile | None:
    if fleet is None or profile is None or goal is NO_GOAL:
        return profile
    return Known({}, profile).profile_of(goal, [host.name for host in fleet.hosts(goal.host_group)])


def _goal(fleet: Fleet | None, name: str | None) -> WorkloadGoal:
    if name is None:
        return NO_GOAL
    if fleet is None:
        raise UsageError(
            "no fleet repository here", remedy="--goal names one of its goals: give --repository"
        )
    if name not in fleet.goals:
        raise UsageError(f'no goal "{name}"{suggestion(name, fleet.goals)}')
    return fleet.goals[name]
