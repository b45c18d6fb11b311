# SPDX-License-Identifier: Apache-2.0
"""The tools that only read, and how every tool is declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleetsched.agent.answers import Answer, lesson_answer, policy_answer
from fleetsched.agent.interface import Task, Tool, Toolbox, Workbench
from fleetsched.agent.profile_answer import profile_answer
from fleetsched.errors import InputError


def reading_tools(bench: Workbench, task: Task) -> Toolbox:
    """The tools by which a model learns what there is."""
    return (
        make_tool(
            "list_policies",
            "List the policies that can be chosen, what suits the goal best first, with parameters.",
            {},
            lambda _: _policies(task),
        ),
        make_tool(
            "read_policy",
            "Read a policy's manifest, source and README.",
            {"policy": {"type": "string", "enum": sorted(task.policies)}},
            lambda given: bench.read(given["policy"]),
        ),
        make_tool(
            "read_profile",
            "Read what was observed of the goal's hosts, as numbers: features, and where they counted, how "
            "long tasks waited and ran, with histograms and the groups of tasks that ran longest. No names.",
            {},
            lambda _: _profile(task),
        ),
        make_tool(
            "read_lessons",
            "Read what was tried before for this goal and others like it, and what came of it, newest first.",
            {},
            lambda _: {"lessons": [lesson_answer(each) for each in task.lessons]},
        ),
        make_tool(
            "read_headers",
            "Read the headers that a policy is written against; nothing else can be included.",
            {},
            lambda _: bench.headers(),
        ),
    )


def make_tool(
    name: str,
    description: str,
    properties: Mapping[str, Any],
    run: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Tool:
    """Declare a tool that takes exactly these arguments, each by its schema."""
    return Tool(name, description, object_schema(properties), run)


def object_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object with exactly these fields, as strict tools of language models want it."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _policies(task: Task) -> Answer:
    ranked = {each.name: each for each in task.suitability.candidates}
    best_first = [name for name in ranked if name in task.policies]
    rest = [name for name in task.policies if name not in ranked]
    return {
        "policies": [
            policy_answer(
                task.policies[name],
                ranked[name].score if name in ranked else None,
                ranked[name].excluded if name in ranked else "",
            )
            for name in [*best_first, *rest]
        ],
    }


def _profile(task: Task) -> Answer:
    profile = task.profile
    if profile is None:
        raise InputError("no hosts were observed", remedy="go by the goal and the workload")
    return profile_answer(profile)
