# SPDX-License-Identifier: Apache-2.0
"""The files under `manifests/`: documents by kind and name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fleetsched.documents.check import check
from fleetsched.documents.literals import secrets_in
from fleetsched.documents.node import Node, shown
from fleetsched.documents.reader import Reading, read_file
from fleetsched.errors import Problem
from fleetsched.model.suggest import suggestion

_SCHEMAS = {
    "HostGroup": "host-group",
    "WorkloadGoal": "workload-goal",
    "RolloutStrategy": "rollout-strategy",
    "Workload": "workload",
}
_ELSEWHERE = {
    "Policy": "a Policy is written in policies/NAME/policy.yaml",
    "PolicyLock": "a PolicyLock is written by `fleetsched lock` in policies/NAME/policy.lock.yaml",
}


@dataclass
class Manifests:
    """What could be read.

    Attributes:
        groups, goals, strategies, workloads: documents that fit their schema, by name.
        broken: by kind, the names of documents that are there but wrong.
    """

    groups: dict[str, Node] = field(default_factory=dict)
    goals: dict[str, Node] = field(default_factory=dict)
    strategies: dict[str, Node] = field(default_factory=dict)
    workloads: dict[str, Node] = field(default_factory=dict)
    broken: dict[str, frozenset[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def of_kind(self, kind: str) -> dict[str, Node]:
        """Return the documents of one of the kinds."""
        return {
            "HostGroup": self.groups,
            "WorkloadGoal": self.goals,
            "RolloutStrategy": self.strategies,
            "Workload": self.workloads,
        }[kind]


def read_manifests(root: Path) -> Manifests:
    """Read every manifest of a fleet repository: `manifests/**/*.yaml` and `*.yml`, hidden ones left out."""
    manifests = Manifests()
    for file in _files(root):
        reading = read_file(file, file.relative_to(root).as_posix())
        manifests.problems.extend(reading.problems)
        for document in reading.documents:
            _add(manifests, document, reading)
    return manifests


def _files(root: Path) -> Iterator[Path]:
    for file in sorted((root / "manifests").rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
        if file.suffix in (".yaml", ".yml") and not hidden and file.is_file():
            yield file


def _add(manifests: Manifests, document: Node, reading: Reading) -> None:
    kind = _kind(document, manifests.problems)
    if kind is None:
        return
    problems = [*check(document, _SCHEMAS[kind]), *secrets_in(document)]
    manifests.problems.extend(reading.unnamed(problems))
    name = document.at("metadata", "name")
    same_kind = manifests.of_kind(kind)
    if problems:
        if isinstance(name.value, str):
            manifests.broken[kind] = manifests.broken.get(kind, frozenset()) | {name.value}
    elif name.value in same_kind:
        first = same_kind[name.value].at("metadata", "name").position
        manifests.problems.append(name.problem(f"{kind} {shown(name.value)} is already defined at {first}"))
    else:
        same_kind[name.value] = document


def _kind(document: Node, problems: list[Problem]) -> str | None:
    if not isinstance(document.value, dict):
        problems.append(
            document.problem(f"expected a manifest with apiVersion, kind, got {shown(document.value)}")
        )
        return None
    kind = document.value.get("kind")
    if isinstance(kind, str) and kind in _SCHEMAS:
        return kind
    place = document.at("kind") if "kind" in document.value else document
    if isinstance(kind, str) and kind in _ELSEWHERE:
        problems.append(place.problem(_ELSEWHERE[kind]))
    elif "kind" in document.value:
        problems.append(place.problem(f"unknown kind {shown(kind)}{suggestion(str(kind), _SCHEMAS)}"))
    else:
        problems.append(place.problem(f"field `kind` is missing: one of {', '.join(_SCHEMAS)}"))
    return None
