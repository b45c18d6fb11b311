# SPDX-License-Identifier: Apache-2.0
"""`plan --diff`: how policies differ from what the hosts' last known good was built of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from fleetsched.documents.reader import read_bytes
from fleetsched.fleetrepo.git import Git
from fleetsched.model.assignment import Assignment
from fleetsched.model.diff import PolicyDiff
from fleetsched.model.fleet import Fleet
from fleetsched.model.plan import Plan
from fleetsched.model.state import Record
from fleetsched.model.wording import counted

_COMMIT = re.compile("[0-9a-f]{40}")
_FILE = re.compile(r"[A-Za-z0-9_][\w.+-]*")
_HEADER = re.compile(r"bpf/include/[\w./+-]+")
_LOCK = "policy.lock.yaml"
_MOST_LINES = 500
_MOST_LETTERS = 1 << 20


def policy_diffs(root: Path, fleet: Fleet, plan: Plan) -> list[PolicyDiff]:
    """Compare what every goal wants with each other assignment that its hosts have recorded."""
    git = Git(root)
    found: dict[tuple[str, str, Assignment], PolicyDiff] = {}
    for host in plan.hosts:
        goal, wanted, recorded = host.desired.goal, host.desired.assignment, host.recorded
        same = recorded and (recorded.assignment, recorded.program) == (wanted, host.desired.program)
        if not (goal and wanted and recorded) or same:
            continue
        key = (goal, recorded.revision, recorded.assignment)
        if key not in found:
            lines = [*_compare(git, fleet, root, recorded, wanted)]
            more = len(lines) - _MOST_LINES
            cut = [*lines[:_MOST_LINES], *([f"... and {counted(more, 'more line')}"] if more > 0 else [])]
            found[key] = PolicyDiff(goal, wanted.policy, recorded.revision, tuple(cut))
    return list(found.values())


def _compare(git: Git, fleet: Fleet, root: Path, recorded: Record, wanted: Assignment) -> Iterator[str]:
    yield from _assignments(recorded.assignment, wanted)
    commit = recorded.revision.partition("+")[0]
    if not _COMMIT.fullmatch(commit) or git.run("cat-file", "-e", f"{commit}^{{commit}}")[0] != 0:
        yield f"revision {recorded.revision[:12]} is not in this repository: no source to compare with"
        return
    if recorded.revision != commit:
        yield f"revision {commit[:12]} had changes that were not committed: its source may have been another"
    yield from _sources(git, fleet, root, commit, wanted.policy)


def _assignments(before: Assignment, after: Assignment) -> Iterator[str]:
    """The policy, the variant and the parameters, as a diff shows lines."""
    if before.policy != after.policy:
        yield f"another policy: {before.policy} before"
    if before.variant != after.variant:
        yield from (f"-variant {before.variant}", f"+variant {after.variant}")
    old, new = dict(before.parameters), dict(after.parameters)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield from (f"-{name} {old[name]}" for _ in range(name in old))
            yield from (f"+{name} {new[name]}" for _ in range(name in new))


def _sources(git: Git, fleet: Fleet, root: Path, commit: str, policy: str) -> Iterator[str]:
    """The files that the two locks name: those in the policy's folder, and headers."""
    folder = f"policies/{policy}"
    before, after = _locked(_old(git, commit, f"{folder}/{_LOCK}")), fleet.locks[policy].hashes
    for name in sorted(before.keys() | after.keys()):
        if _FILE.fullmatch(name):
            yield from _unified(git, root, commit, f"{folder}/{name}")
        elif _HEADER.fullmatch(name) and ".." not in name and before.get(name) != after.get(name):
            text = [*_unified(git, root, commit, name)]
            yield f"header {name} changed{'' if text else '; this repository does not carry its text'}"
            yield from text
    yield from _unified(git, root, commit, f"{folder}/policy.yaml")
    if fleet.policies[policy].program:
        yield from _unified(git, root, commit, f"{folder}/{_LOCK}")


def _unified(git: Git, root: Path, commit: str, path: str) -> Iterator[str]:
    file = root / path
    # What a link leads to is not of this repository.
    real = file.is_file() and file.resolve() == root.resolve() / path
    new = file.read_bytes()[:_MOST_LETTERS].decode(errors="replace") if real else ""
    old = _old(git, commit, path)
    names = (f"{commit[:12]}/{path}", path)
    return difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")


def _old(git: Git, commit: str, path: str) -> str:
    """A file of a commit; empty when it has none."""
    status, text, _ = git.run("show", f"{commit}:./{path}")
    return text[:_MOST_LETTERS] if status == 0 else ""


def _locked(lock: str) -> dict[str, str]:
    """The hashes in a lock's text; none when it is no lock."""
    documents = read_bytes(lock.encode(), "lock").documents
    node = documents[0].get("spec", "hashes") if documents else None
    value = node.value if node is not None else None
    return {name: str(text) for name, text in value.items()} if isinstance(value, dict) else {}
