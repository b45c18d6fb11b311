# SPDX-License-Identifier: Apache-2.0
"""`plan --diff`: how the policies differ from what the hosts' last known good was built of."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from fleetsched.documents.reader import read_bytes
from fleetsched.fleetrepo.git import Git
from fleetsched.model.diff import PolicyDiff
from fleetsched.model.manifests import Fleet
from fleetsched.model.plan import Action, Plan

_COMMIT = re.compile("[0-9a-f]{40}")
_MOST_LINES = 500


def policy_diffs(root: Path, fleet: Fleet, plan: Plan) -> list[PolicyDiff]:
    """Compare the policy of every goal that replaces it on a host with each revision recorded there."""
    git = Git(root)
    found: dict[tuple[str, str], PolicyDiff] = {}
    for host in plan.hosts:
        goal, wanted, recorded = host.desired.goal, host.desired.assignment, host.recorded
        if host.action is Action.REPLACE and goal and wanted and recorded:
            key = (goal, recorded.revision)
            if key not in found:
                lines = _compare(git, root, recorded.revision, recorded.assignment.policy, wanted.policy)
                found[key] = PolicyDiff(goal, wanted.policy, recorded.revision, tuple(lines))
    return list(found.values())


def _compare(git: Git, root: Path, revision: str, before: str, after: str) -> list[str]:
    if before != after:
        return [f"another policy: {before} before"]
    commit = revision.partition("+")[0]
    known = _COMMIT.fullmatch(commit) and git.run("cat-file", "-e", f"{commit}^{{commit}}")[0] == 0
    if not known:
        return [f"revision {revision[:12]} is not in this repository"]
    folder = root / "policies" / after
    names = sorted(file.name for file in folder.iterdir() if file.is_file() and not file.is_symlink())
    lines: list[str] = []
    for name in names:
        path = f"policies/{after}/{name}"
        status, old, _ = git.run("show", f"{commit}:./{path}")
        new = (root / path).read_text(encoding="utf-8", errors="replace")
        if name == "policy.lock.yaml":
            lines += _headers(old, new)
        else:
            pair = (old.splitlines() if status == 0 else [], new.splitlines())
            lines += difflib.unified_diff(*pair, f"{commit[:12]}/{path}", path, lineterm="")
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"... and {more} more lines"] if more > 0 else [])] or [
        "the same source"
    ]


def _headers(old: str, new: str) -> list[str]:
    """Headers whose hashes in the locks differ; the sources' own differences are shown in full."""
    before, after = _hashes(old), _hashes(new)
    return [
        f"header {name} changed"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and name.endswith(".h")
    ]


def _hashes(lock: str) -> dict[str, str]:
    documents = read_bytes(lock.encode(), "lock").documents
    node = documents[0].get("spec", "hashes") if documents else None
    return node.value if node is not None and isinstance(node.value, dict) else {}
