# SPDX-License-Identifier: Apache-2.0
"""Workloads: those that come with fleetsched, and the C sources that lie beside any of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import fleetsched
from fleetsched.documents.check import check
from fleetsched.documents.node import Node, shown
from fleetsched.documents.reader import read_file
from fleetsched.errors import Problem, ProblemsError
from fleetsched.fleetrepo import decode
from fleetsched.fleetrepo.measured import known_metrics, workload_problems
from fleetsched.model.workload import Workload

MOST_SOURCE_BYTES = 1 << 20

_SHIPPED = Path(fleetsched.__file__).resolve().parent / "bench" / "workloads"


@cache
def shipped_workloads() -> Mapping[str, Workload]:
    """Read the workloads that come with fleetsched, by name.

    Raises:
        ProblemsError: the installation's own files are wrong.
    """
    problems: list[Problem] = []
    nodes: dict[str, Node] = {}
    workloads: dict[str, Workload] = {}
    for file in sorted(_SHIPPED.glob("*.yaml")):
        reading = read_file(file, file.name)
        problems += reading.problems
        for document in reading.documents:
            wrong = reading.unnamed(check(document, "workload"))
            problems += wrong
            if not wrong:
                sources, missing = read_programs(_SHIPPED, document)
                problems += missing
                found = decode.workload(document, sources)
                nodes[found.name], workloads[found.name] = document, found
    known = known_metrics(workloads)
    for name, node in nodes.items():
        problems += workload_problems(workloads[name], node, known)
    if problems:
        raise ProblemsError(problems)
    return dict(sorted(workloads.items()))


def read_programs(root: Path, document: Node) -> tuple[dict[str, str], list[Problem]]:
    """Read the C sources of a workload's programs, by the program's name.

    Args:
        root: the folder to which the document's file name is relative; no source may lie outside of it.
        document: a Workload that fits its schema.
    """
    sources: dict[str, str] = {}
    problems: list[Problem] = []
    declared = document.get("spec", "programs")
    for name, place in declared.items() if declared is not None else ():
        file = root / Path(document.position.file).parent / place.value
        try:
            if not file.resolve().is_relative_to(root.resolve()):
                problems.append(place.problem(f"{shown(place.value)} leads out of the fleet repository"))
                continue
            if file.stat().st_size > MOST_SOURCE_BYTES:
                problems.append(
                    place.problem(f"{shown(place.value)} has more than {MOST_SOURCE_BYTES} bytes")
                )
                continue
            sources[str(name)] = file.read_text(encoding="utf-8")
        except OSError as error:
            reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
            problems.append(place.problem(f"{shown(place.value)} cannot be read: {reason}"))
        except UnicodeDecodeError:
            problems.append(place.problem(f"{shown(place.value)} is not UTF-8 text"))
    return sources, problems
