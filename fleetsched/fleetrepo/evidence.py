# SPDX-License-Identifier: Apache-2.0
"""Evidence as it lies beside a policy: `policies/<name>/evidence/<digest>-<workload>-<kernel>.json`.

A file speaks of the object whose digest is in its name. When the policy changes, the file stays true and is
stale: it is kept, warned of, and shown nowhere. A wrong file is a mistake like any other of the repository.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from fleetsched.documents.check import check
from fleetsched.documents.node import Node, shown
from fleetsched.documents.reader import Limits
from fleetsched.errors import Problem, ProblemsError
from fleetsched.files import replace_file
from fleetsched.inventory.json_nodes import read_json
from fleetsched.model.evidence import (
    CANDIDATE,
    SHORT_DIGEST,
    Arm,
    Comparison,
    Distribution,
    Environment,
    Evidence,
    Finding,
    Measured,
)
from fleetsched.model.goal import KERNEL_DEFAULT

EVIDENCE_FOLDER = "evidence"
_FORMAT = {"format": "fleetsched-evidence", "version": 1}
_LEFT_OUT = (*_FORMAT, "labels")


@dataclass(frozen=True, slots=True)
class Recorded:
    """The evidence in a policy's folder.

    Attributes:
        present: of objects that the lock has, by their files' names.
        stale: names of the files about other objects.
        problems: every mistake of every file.
    """

    present: Mapping[str, Evidence]
    stale: tuple[str, ...]
    problems: tuple[Problem, ...]


def evidence_text(evidence: Evidence) -> str:
    """The file's text: the same for the same evidence; what is a list of numbers is one line."""
    fields = asdict(evidence)
    fields["comparisons"] = [
        each | {"change": _wire(each["change"]), "interval": [_wire(end) for end in each["interval"]]}
        for each in fields["comparisons"]
    ]
    document = _FORMAT | fields | {"labels": evidence.environment.labels}
    return _json({name: document[name] for name in _ORDER}) + "\n"


def write_evidence(policy_dir: Path, evidence: Evidence) -> Path:
    """Write evidence into a policy's folder; what was there of the same object, workload and kernel goes.

    Raises:
        ProblemsError: reading it would find mistakes; nothing is written.
    """
    file = policy_dir / EVIDENCE_FOLDER / evidence.file_name
    content = evidence_text(evidence).encode()
    _, problems = evidence_from(content, str(file))
    problems += _misplaced(evidence, file, str(file))
    if problems:
        raise ProblemsError(problems)
    file.parent.mkdir(exist_ok=True)
    replace_file(file, content)
    return file


def read_evidence(file: Path, name: str) -> tuple[Evidence | None, list[Problem]]:
    """Read a file of evidence wherever it lies; None when it is wrong. Problems call the file `name`."""
    try:
        with file.open("rb") as stream:
            data = stream.read(Limits().bytes + 1)
    except OSError as error:
        return None, [Problem(name, 0, 0, f"cannot be read: {error.strerror or error}")]
    return evidence_from(data, name)


def evidence_from(data: bytes, name: str) -> tuple[Evidence | None, list[Problem]]:
    """Read the bytes of a file of evidence; None when it is wrong."""
    reading = read_json(data, name, limits=Limits())
    problems = list(reading.problems)
    if not reading.documents:
        return None, problems
    (document,) = reading.documents
    problems += reading.unnamed(check(document, "evidence"))
    if not problems:
        problems += _contradictions(document)
    return (None if problems else _evidence(document.value)), problems


def recorded(policy_dir: Path, name: str, digests: Sequence[str]) -> Recorded:
    """Read the evidence of a policy.

    Args:
        policy_dir: the policy's folder.
        name: how problems name that folder.
        digests: of the objects that its lock has.
    """
    present: dict[str, Evidence] = {}
    stale: list[str] = []
    problems: list[Problem] = []
    for file in evidence_files(policy_dir):
        called = f"{name}/{EVIDENCE_FOLDER}/{file.name}"
        found, wrong = read_evidence(file, called)
        problems += wrong
        if found is None:
            continue
        problems += _misplaced(found, file, called)
        if found.candidate.digest in digests:
            present[file.name] = found
        else:
            stale.append(file.name)
    return Recorded(present, tuple(stale), tuple(problems))


def evidence_files(policy_dir: Path) -> list[Path]:
    """List the files of evidence of a policy, by name."""
    return sorted((policy_dir / EVIDENCE_FOLDER).glob("*.json"))


def stale_warning(name: str, file: str, policy: str) -> Problem:
    """Say that a file's object is gone, and what to do."""
    message = (
        f"is about object {file[:SHORT_DIGEST]}, which the lock does not have: it is shown nowhere; "
        f"measure again (`fleetsched bench {policy}`), then remove it"
    )
    return Problem(f"{name}/{EVIDENCE_FOLDER}/{file}", 0, 0, message)


def _misplaced(evidence: Evidence, file: Path, name: str) -> list[Problem]:
    policy = file.parent.parent.name
    problems = []
    if evidence.policy != policy:
        problems.append(
            Problem(name, 0, 0, f"is about policy {shown(evidence.policy)}, in the folder of {shown(policy)}")
        )
    if file.name != evidence.file_name:
        problems.append(Problem(name, 0, 0, f"expected the name {evidence.file_name}, after what is in it"))
    return problems


def _contradictions(document: Node) -> Iterator[Problem]:
    """Find what the schema cannot: parts that do not agree with each other."""
    value = document.value
    arms = [arm["name"] for arm in value["arms"]]
    by_name = dict(zip(arms, value["arms"], strict=True))
    if len(by_name) < len(arms):
        yield document.at("arms").problem("an arm is there twice")
    if CANDIDATE not in by_name:
        yield document.at("arms").problem("there is no candidate: evidence is about one")
    elif (named := by_name[CANDIDATE]["policy"] or KERNEL_DEFAULT) != value["policy"]:
        yield document.at("policy").problem(f"expected the candidate's, {shown(named)}")
    if tuple(value["labels"]) != (expected := _environment(value["environment"]).labels):
        yield document.at("labels").problem(
            f"expected {', '.join(expected) or 'none'}, as the environment has it"
        )
    for node in document.at("measured").children.values():
        yield from _unequal_samples(node, arms)
    for node in document.at("distributions").children.values():
        yield from _unknown_arms(node.at("buckets"), arms)
    samples = {each["metric"]: each["samples"] for each in value["measured"]}
    for node in document.at("comparisons").children.values():
        yield from _wrong_medians(node, samples)


def _unknown_arms(node: Node, arms: Sequence[str]) -> Iterator[Problem]:
    yield from (
        node.key(arm).problem(f"there is no arm {shown(arm)}") for arm in node.value if arm not in arms
    )


def _unequal_samples(node: Node, arms: Sequence[str]) -> Iterator[Problem]:
    samples = node.at("samples")
    yield from _unknown_arms(samples, arms)
    if len({len(values) for values in samples.value.values()}) > 1:
        yield samples.problem("every arm has one number a block: their lists are equally long")


def _wrong_medians(node: Node, samples: Mapping[str, Mapping[str, Sequence[float]]]) -> Iterator[Problem]:
    found = node.value
    of_metric = samples.get(found["metric"], {})
    if not {CANDIDATE, found["against"]} <= of_metric.keys():
        yield node.problem(f"no samples of {shown(found['metric'])} for both arms")
        return
    expected = [median(of_metric[arm]) for arm in (CANDIDATE, found["against"])]
    if found["medians"] != expected:
        yield node.at("medians").problem(f"expected {expected}, the medians of the samples")


def _evidence(value: Mapping[str, Any]) -> Evidence:
    plain = {name: value[name] for name in value if name not in _LEFT_OUT}
    return Evidence(
        **plain
        | {
            "environment": _environment(value["environment"]),
            "arms": tuple(Arm(**arm) for arm in value["arms"]),
            "measured": tuple(_measured(each) for each in value["measured"]),
            "distributions": tuple(_distribution(each) for each in value["distributions"]),
            "comparisons": tuple(_comparison(each) for each in value["comparisons"]),
            "unmeasured": tuple(value["unmeasured"]),
            "order": tuple(map(tuple, value["order"])),
        }
    )


def _environment(value: Mapping[str, Any]) -> Environment:
    return Environment(**value)


def _measured(value: Mapping[str, Any]) -> Measured:
    samples = {arm: tuple(values) for arm, values in value["samples"].items()}
    return Measured(**{**value, "samples": samples})


def _distribution(value: Mapping[str, Any]) -> Distribution:
    buckets = {arm: tuple((end, count) for end, count in rows) for arm, rows in value["buckets"].items()}
    return Distribution(value["metric"], buckets)


def _comparison(value: Mapping[str, Any]) -> Comparison:
    ours, theirs = value["medians"]
    low, high = map(float, value["interval"])
    derived = {"medians": (ours, theirs), "change": float(value["change"]), "interval": (low, high)}
    return Comparison(**{**value, **derived, "finding": Finding(value["finding"])})


def _wire(number: float) -> float | str:
    """JSON has no infinity."""
    return number if math.isfinite(number) else str(number)


_ORDER = (
    "format",
    "version",
    "policy",
    "workload",
    "workload_digest",
    "labels",
    "unmeasured",
    "environment",
    "arms",
    "comparisons",
    "measured",
    "distributions",
    "order",
    "seed",
    "began",
    "seconds",
    "ended",
    "fleetsched_version",
)


def _json(value: Any, indent: str = "") -> str:
    """Write JSON as a person reads and Git compares it: numbers of one list on one line."""
    inner = indent + "  "
    if isinstance(value, Mapping) and value:
        rows = [f"{json.dumps(key)}: {_json(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(inner + row for row in rows) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        return "[\n" + ",\n".join(inner + _json(each, inner) for each in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)
