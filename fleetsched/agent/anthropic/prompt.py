# SPDX-License-Identifier: Apache-2.0
"""What a language model is told: its work (`system.md`), and the task as data."""

from __future__ import annotations

from importlib import resources
from typing import Any

from fleetsched.agent.answers import lesson_answer
from fleetsched.agent.foreign import as_data
from fleetsched.agent.interface import Task
from fleetsched.model.controller import Budget
from fleetsched.model.goal import WorkloadGoal

_MOST_LESSONS = 12


def system_prompt() -> str:
    """What is the same in every run."""
    return resources.files(__package__).joinpath("system.md").read_text(encoding="utf-8")


def first_message(task: Task, budget: Budget) -> str:
    """The task: one sentence of ours, and data. Names and addresses of hosts are not among it."""
    return (
        "Find the policy that serves the goal best on the workload named below, within the budget. "
        "Look at the suitability and the lessons first.\n" + as_data(_task(task, budget))
    )


def _task(task: Task, budget: Budget) -> dict[str, Any]:
    return {
        "goal": _goal(task.goal),
        "workload": task.workload,
        "kernel": task.kernel,
        "profile": dict(task.profile.features) if task.profile is not None else None,
        "suitability": [
            {
                "policy": each.name,
                "score": round(each.score, 3),
                "terms": [[feature, weight, round(value, 3)] for feature, weight, value in each.terms],
                "excluded": each.excluded,
            }
            for each in task.suitability.candidates
        ],
        "policies": {name: policy.summary for name, policy in task.policies.items()},
        "lessons": [lesson_answer(each) for each in task.lessons[:_MOST_LESSONS]],
        "budget": {
            "usd": budget.usd,
            "tokens": budget.tokens,
            "wall_s": budget.wall_s,
            "candidates": budget.candidates,
        },
    }


def _goal(goal: WorkloadGoal) -> dict[str, Any]:
    return {
        "name": goal.name,
        "description": goal.description,
        "objective": [goal.objective.metric, goal.objective.direction] if goal.objective else None,
        "guardrails": [[each.metric, each.max_regression] for each in goal.guardrails],
        "incumbent": goal.policy.name if goal.policy is not None else None,
    }
