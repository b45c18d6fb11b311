# SPDX-License-Identifier: Apache-2.0
"""What goals and workloads say of metrics: names, units and directions must agree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleetsched.documents.node import Node, shown
from fleetsched.errors import Problem
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.metrics import METRICS, Direction
from fleetsched.model.position import Position
from fleetsched.model.suggest import suggestion
from fleetsched.model.workload import PLACEHOLDERS, Workload

_PLACEHOLDER = re.compile(r"\{\{.*?\}\}")
_KNOWN = re.compile(r"\{\{ *(" + "|".join(PLACEHOLDERS) + r") *\}\}")


@dataclass(frozen=True, slots=True)
class Known:
    """A metric as goals may name it."""

    unit: str
    better: Direction
    said_by: str


def known_metrics(workloads: Mapping[str, Workload]) -> dict[str, Known]:
    """List the metrics that everybody knows, and those that workloads declare; the first to say one wins."""
    known = {
        name: Known(metric.unit, metric.better, "`fleetsched explain metrics`")
        for name, metric in METRICS.items()
    }
    for workload in workloads.values():
        for name, metric in workload.metrics.items():
            known.setdefault(name, Known(metric.unit, metric.better, f"Workload {shown(workload.name)}"))
    return known


def workload_problems(workload: Workload, node: Node, known: Mapping[str, Known]) -> Iterator[Problem]:
    """Check what a workload's schema cannot: expressions, placeholders, metrics that others know, too."""
    for name, metric in workload.metrics.items():
        place = node.at("spec", "metrics", name)
        if metric.regex:
            yield from _expression(metric.regex, place.at("regex"))
        standard = METRICS.get(name)
        if standard is not None and standard.source != "workload":
            key = node.at("spec", "metrics").key(name)
            yield key.problem(f"{name} is measured by {_who(standard.source)}: choose another name")
            continue
        for what, got, wanted in (
            ("unit", metric.unit, known[name].unit),
            ("better", metric.better, known[name].better),
        ):
            if got != wanted:
                yield place.at(what).problem(
                    f"expected {wanted}, as {known[name].said_by} has it of {name}, got {shown(got)}"
                )
    for place in _words(node):
        unknown = _PLACEHOLDER.search(_KNOWN.sub("", place.value))
        if unknown is not None:
            known_ones = ", ".join(f"`{{{{ {name} }}}}`" for name in PLACEHOLDERS)
            yield place.problem(f"expected one of the placeholders {known_ones}, got {shown(unknown[0])}")


def _who(source: str) -> str:
    return "the kernel's PSI" if source == "psi" else f"the {source}"


def _words(node: Node) -> Iterator[Node]:
    spec = node.at("spec")
    yield from spec.at("command").children.values()
    for field in ("setUp", "background", "tearDown"):
        for command in spec.at(field).children.values() if field in spec.value else ():
            yield from command.children.values()


def _expression(expression: str, place: Node) -> Iterator[Problem]:
    try:
        groups = re.compile(expression, re.MULTILINE).groups
    except (re.error, OverflowError) as error:
        yield place.problem(f"not a regular expression: {error}")
        return
    if groups != 1:
        yield place.problem(f"expected one group, which is the number, got {groups}")


def goal_problems(goal: WorkloadGoal, node: Node, known: Mapping[str, Known]) -> Iterator[Problem]:
    """Check a goal's metrics: known, in the direction that is better, each guarded once."""
    guards = [node.at("spec", "guardrails", index) for index in range(len(goal.guardrails))]
    for place in [*([node.at("spec", "objective")] if goal.objective else []), *guards]:
        name = place.value["metric"]
        if name not in known:
            yield place.at("metric").problem(f"no metric {shown(name)}{suggestion(name, known)}")
    if goal.objective is not None and goal.objective.metric in known:
        better = known[goal.objective.metric].better
        if goal.objective.direction != better:
            place = node.at("spec", "objective", "direction")
            yield place.problem(f"expected {better}, which is better for {goal.objective.metric}")
    first: dict[str, Position] = {}
    for place in guards:
        metric = place.at("metric")
        if metric.value in first:
            line = first[metric.value].line
            yield metric.problem(f"{shown(metric.value)} has a guardrail already, in line {line}")
        first.setdefault(metric.value, metric.position)
