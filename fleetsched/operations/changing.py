# SPDX-License-Identifier: Apache-2.0
"""The files of a proposal, made in a copy of the trusted branch, and the digest of what it was made from."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fleetsched.errors import InputError, ProblemsError
from fleetsched.fleetrepo.binding import bind
from fleetsched.fleetrepo.evidence import EVIDENCE_FOLDER, write_evidence
from fleetsched.fleetrepo.lessons import LESSONS_FOLDER, lessons_file, lessons_text
from fleetsched.fleetrepo.load import load_fleet
from fleetsched.model.evidence import Evidence, Scalar
from fleetsched.model.fleet import Fleet
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.lesson import Lesson
from fleetsched.model.suitability import Suitability
from fleetsched.operations.catalogue import add_policy
from fleetsched.operations.lock import lock


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be bound to a goal.

    Attributes:
        generated: the folder of a policy that was written in this run; None = of repository or catalogue.
        evidence: of the final comparison; goes beside the policy.
        lessons: of this run; none are kept where nothing was measured.
    """

    policy: str
    variant: str = "default"
    parameters: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    generated: Path | None = None
    evidence: tuple[Evidence, ...] = ()
    lessons: tuple[Lesson, ...] = ()


def write_change(
    folder: Path, fleet: Fleet, goal: WorkloadGoal, choice: Choice, shipped: Iterable[str]
) -> dict[str, bytes]:
    """Make the change in a copy of the fleet repository; return what is new by path.

    Args:
        folder: the copy.
        fleet: what was there before.
        goal: that is bound.
        choice: to what.
        shipped: policies of the catalogue that the repository lacks.

    Raises:
        InputError: the manifest cannot be edited so, or the policy not added.
        BuildError: a generated policy does not compile.
    """
    manifest = goal.source.file
    content = bind(
        (folder / manifest).read_bytes(),
        manifest,
        goal.name,
        choice.policy,
        variant=choice.variant,
        parameters=choice.parameters,
    )
    (folder / manifest).write_bytes(content)
    written = [folder / manifest]
    place = folder / "policies" / choice.policy
    if choice.generated is not None:
        shutil.copytree(choice.generated, place)
        lock(folder, [choice.policy], check=False)
        written += [file for file in sorted(place.rglob("*")) if file.is_file()]
    elif choice.policy in shipped:
        written += add_policy(folder, choice.policy)
    written += [write_evidence(place, evidence) for evidence in choice.evidence]
    if choice.lessons:
        file = folder / lessons_file(goal.name)
        file.parent.mkdir(exist_ok=True)
        file.write_text(lessons_text(fleet.lessons.get(goal.name, ()), choice.lessons), encoding="utf-8")
        written.append(file)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in written}


def check_change(
    folder: Path, goal: WorkloadGoal, choice: Choice, inventory: Sequence[Path], *, run_programs: bool
) -> None:
    """What is proposed must be right as a whole: a policy's time-out fits the strategy, for example.

    Raises:
        InputError: it is not.
    """
    try:
        load_fleet(folder, inventory, run_programs=run_programs)
    except ProblemsError as error:
        raise InputError(
            f"goal {goal.name}: policy {choice.policy} suits best, and does not fit: {error.problems[0]}",
            remedy="mend that on the trusted branch, then propose again",
        ) from error


def fingerprint(
    goal: WorkloadGoal,
    suitability: Suitability,
    choice: Choice,
    files: Mapping[str, bytes],
    fleet: Fleet,
) -> str:
    """A digest of what the choice was made from: the goal, every candidate's weights, the chosen policy.

    Neither the manifest's other lines nor which hosts answered just now are among it, nor what was measured:
    numbers are never the same twice.
    """
    said = {name: value for name, value in asdict(goal).items() if name not in ("source", "policy")}
    policy_lock = fleet.locks.get(choice.policy)
    chosen = dict(policy_lock.variants) if policy_lock else {}
    chosen |= {
        path: hashlib.sha256(content).hexdigest()
        for path, content in files.items()
        if path != goal.source.file and not _is_measured(path)
    }
    candidates = sorted(
        (each.name, [(feature, weight) for feature, weight, _ in each.terms])
        for each in suitability.candidates
    )
    bound = goal.policy.name if goal.policy else ""
    binding = [choice.policy, choice.variant, dict(choice.parameters)]
    text = json.dumps([said, bound, binding, chosen, candidates], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_measured(path: str) -> bool:
    return path.startswith(f"{LESSONS_FOLDER}/") or f"/{EVIDENCE_FOLDER}/" in path
