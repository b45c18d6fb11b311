# SPDX-License-Identifier: Apache-2.0
"""The folders under `policies/`: each a policy with its source and its lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fleetsched.documents.check import check
from fleetsched.documents.literals import secrets_in
from fleetsched.documents.node import Node, shown
from fleetsched.documents.reader import read_file
from fleetsched.errors import Problem
from fleetsched.fleetrepo import decode
from fleetsched.fleetrepo.parameters import check_declared
from fleetsched.fleetrepo.programs import check_program
from fleetsched.fleetrepo.requirements import unmeetable
from fleetsched.model.goal import KERNEL_DEFAULT
from fleetsched.model.lock import PolicyLock
from fleetsched.model.metrics import FEATURES
from fleetsched.model.policy import LEAST_TIMEOUT_S, MOST_TIMEOUT_S, Policy
from fleetsched.model.suggest import suggestion

POLICY_FILE = "policy.yaml"
LOCK_FILE = "policy.lock.yaml"


@dataclass
class Catalogue:
    """What could be read.

    Attributes:
        broken: by kind, the names of policies and locks that are there but wrong.
    """

    policies: dict[str, Policy] = field(default_factory=dict)
    locks: dict[str, PolicyLock] = field(default_factory=dict)
    broken: dict[str, frozenset[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def lost(self, kind: str, name: str) -> None:
        """Remember that something is there but wrong."""
        self.broken[kind] = self.broken.get(kind, frozenset()) | {name}


def read_catalogue(root: Path) -> Catalogue:
    """Read every policy of a fleet repository."""
    catalogue = Catalogue()
    folder = root / "policies"
    folders = sorted(folder.iterdir()) if folder.is_dir() else []
    for entry in folders:
        if not entry.is_dir() or entry.name.startswith("."):
            continue
        policy, problems = read_policy(entry, f"policies/{entry.name}/{POLICY_FILE}")
        catalogue.problems.extend(problems)
        if policy is None:
            catalogue.lost("Policy", entry.name)
        else:
            catalogue.policies[entry.name] = policy
        if (entry / LOCK_FILE).exists():
            lock, problems = read_lock(entry, f"policies/{entry.name}/{LOCK_FILE}")
            catalogue.problems.extend(problems)
            if lock is None:
                catalogue.lost("PolicyLock", entry.name)
            else:
                catalogue.locks[entry.name] = lock
    return catalogue


def read_policy(folder: Path, name: str) -> tuple[Policy | None, list[Problem]]:
    """Read `policy.yaml` of a folder; None when it is wrong. Problems call the file `name`."""
    if not (folder / POLICY_FILE).exists():
        return None, [Problem(name, 0, 0, f"missing: a folder under policies/ has a {POLICY_FILE}")]
    document, problems = _only_document(folder / POLICY_FILE, name, "policy")
    if document is None:
        return None, problems
    problems = [*check_declared(document), *_name_problems(document, folder), *secrets_in(document)]
    problems += [*_unknown_features(document), *_time_out_problems(document), *check_program(document)]
    problems += unmeetable(decode.requires(document.value["spec"].get("requires", {})), document)
    written = document.at("metadata", "name")
    if written.value == KERNEL_DEFAULT:
        problems.append(
            written.problem(f"`{KERNEL_DEFAULT}` means the kernel's own scheduler: choose another name")
        )
    sources = (f"{folder.name}.bpf.c", f"{folder.name}.bpf.c.j2")
    is_program = "program" in document.value["spec"]
    if not is_program and not any((folder / source).is_file() for source in sources):
        problems.append(
            Problem(name, 0, 0, f"has no source beside it: neither {sources[0]} nor {sources[1]}")
        )
    return (None if problems else decode.policy(document, folder)), problems


def read_lock(folder: Path, name: str) -> tuple[PolicyLock | None, list[Problem]]:
    """Read `policy.lock.yaml` of a folder; None when it is wrong. Problems call the file `name`."""
    document, problems = _only_document(folder / LOCK_FILE, name, "policy-lock")
    if document is None:
        return None, problems
    problems = _name_problems(document, folder)
    return (None if problems else decode.policy_lock(document)), problems


def _unknown_features(document: Node) -> list[Problem]:
    declared = document.get("spec", "suitability")
    names = declared.keys if declared is not None else {}
    return [
        place.problem(f"no feature {shown(name)}{suggestion(name, FEATURES)}")
        for name, place in names.items()
        if name not in FEATURES
    ]


def _time_out_problems(document: Node) -> list[Problem]:
    written = document.get("spec", "timeout")
    if written is None or LEAST_TIMEOUT_S <= decode.duration(written.value) <= MOST_TIMEOUT_S:
        return []
    limits = f"{LEAST_TIMEOUT_S:.0f}s to {MOST_TIMEOUT_S:.0f}s"
    return [written.problem(f"expected {limits}, what the kernel's watchdog takes, got {written.value}")]


def _name_problems(document: Node, folder: Path) -> list[Problem]:
    written = document.at("metadata", "name")
    if written.value == folder.name:
        return []
    return [
        written.problem(f"expected {shown(folder.name)}, the name of its folder, got {shown(written.value)}")
    ]


def _only_document(file: Path, name: str, schema: str) -> tuple[Node | None, list[Problem]]:
    """Read a file of one document and check it with its schema; None when anything is wrong."""
    reading = read_file(file, name)
    problems = list(reading.problems)
    if not problems and not reading.documents:
        problems.append(Problem(name, 0, 0, "is empty"))
    problems.extend(extra.problem("only one document may stand here") for extra in reading.documents[1:])
    if reading.documents:
        problems.extend(reading.unnamed(check(reading.documents[0], schema)))
    return (None if problems else reading.documents[0]), problems
