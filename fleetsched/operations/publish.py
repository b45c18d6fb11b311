# SPDX-License-Identifier: Apache-2.0
"""What the reconciler tells through the fleet repository's remote: notes, reports on proposals, the state."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fleetsched.errors import ConflictError, FleetschedError
from fleetsched.fleetrepo.branches import Branches, Update
from fleetsched.model.controller import ForgeAccess, Trust
from fleetsched.model.proposal import State
from fleetsched.operations.proposals import open_forge
from fleetsched.secrets import redact_values

NOTES = "refs/notes/fleetsched"
STATE_BRANCH = "refs/heads/fleetsched/state"
STATE_FILE = "state.json"
_SEEN = "refs/fleetsched/seen/"
_MOST_LINES = 200
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be told of one revision.

    Attributes:
        commit: the revision.
        notes: JSON values, each a line of the commit's note.
        reports: text for the proposal of a goal, by the goal's name.
        state: file of `write_snapshot`; None = it is not pushed this time.
    """

    commit: str
    notes: Sequence[Mapping[str, Any]] = ()
    reports: Mapping[str, str] | None = None
    state: Path | None = None


def publish(root: Path, trust: Trust, forge: ForgeAccess, publication: Publication) -> None:
    """Push notes and state, and report to the proposals whose merge the revision has.

    Raises:
        FleetschedError: the remote or the forge cannot be asked, or does not take it.
    """
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

    branches = Branches(root, trust)
    conflict = retry_if_exception_type(ConflictError)
    again = Retrying(stop=stop_after_attempt(_ATTEMPTS), retry=conflict, reraise=True)
    parts: list[Callable[[], None]] = []
    if publication.notes:
        parts.append(lambda: again(lambda: _note(branches, publication.commit, publication.notes)))
    if publication.state is not None:
        content = publication.state.read_bytes()
        parts.append(lambda: again(lambda: _push_state(branches, content)))
    if publication.reports:
        reports = publication.reports
        parts.append(lambda: _report(branches, forge, publication.commit, reports))
    _each(parts)


def _each(parts: Iterable[Callable[[], object]]) -> None:
    """Carry out all; what fails keeps no other back, and is told at the end."""
    failures = []
    for part in parts:
        try:
            part()
        except FleetschedError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        messages = dict.fromkeys(error.message for error in failures)
        raise FleetschedError("; ".join(messages), remedy=failures[0].remedy)


def _remote_ref(branches: Branches, ref: str) -> str:
    """What a ref of the remote is now; empty = it is not there."""
    seen = _SEEN + ref.removeprefix("refs/")
    branches.fetch([f"+{ref}*:{seen}*"])  # a pattern, since a ref that is not there yet is no error
    return branches.refs(seen).get("", "")


def _note(branches: Branches, commit: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """Add lines to the commit's note; of a long one the newest stay."""
    old = _remote_ref(branches, NOTES)
    git = branches.git
    git.output("update-ref", NOTES, old) if old else git.run("update-ref", "-d", NOTES)
    _, said, _ = git.run("notes", f"--ref={NOTES}", "show", commit)
    new = [json.dumps(redact_values(line), ensure_ascii=False, sort_keys=True) for line in lines]
    kept = [line for line in said.splitlines() if line] if old else []
    text = "\n".join([*kept, *(line for line in new if line not in kept)][-_MOST_LINES:]) + "\n"
    git.output("notes", f"--ref={NOTES}", "add", "--force", "--file=-", commit, stdin=text.encode())
    branches.push(Update(NOTES, old, git.output("rev-parse", NOTES)))


def _push_state(branches: Branches, content: bytes) -> None:
    """Replace the state: a commit without parents, so that the branch does not grow for ever."""
    old = _remote_ref(branches, STATE_BRANCH)
    commit = branches.commit({STATE_FILE: content}, "What the fleet's hosts run\n")
    branches.push(Update(STATE_BRANCH, old, commit))


def _report(branches: Branches, access: ForgeAccess, commit: str, reports: Mapping[str, str]) -> None:
    forge = open_forge(branches, access)
    listing = forge.proposals()

    def report(goal: str, text: str) -> None:
        proposal = listing.find(goal)
        merged = proposal is not None and proposal.state is State.MERGED and bool(proposal.merged_as)
        if proposal is not None and merged and branches.contains(commit, proposal.merged_as):
            forge.report(proposal, text)

    _each(partial(report, goal, text) for goal, text in reports.items())
