# SPDX-License-Identifier: Apache-2.0
"""Git's work in a process of its own: what leaks, hangs or crashes there ends with it.

The parent sends one JSON value to its standard input, and reads one from its standard output.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import fleetsched
from fleetsched.errors import ExitCode, FleetschedError
from fleetsched.fleetrepo.revision import Revision
from fleetsched.model.controller import ForgeAccess, SecretReference, Trust
from fleetsched.secrets import redact

LIMIT_S = 300.0
"""How long what is pushed may take; each command of Git has a shorter limit of its own."""

FETCH_LIMIT_S = 900.0
"""How long a fetch may take: with what is to be cloned afresh, the whole history."""

_GRACE_S = 10
_LOCK_S = 60.0


class GitFailedError(FleetschedError):
    """Git's work failed: the remote cannot be asked, or does not take what is pushed."""


def fetch(folder: Path, trust: Trust, limit_s: float = FETCH_LIMIT_S) -> tuple[Revision, str]:
    """Bring the clone to the trusted branch's tip; return its revision and the commit's subject.

    Raises:
        GitFailedError: it failed or took too long.
    """
    answer = _ask("fetch", folder, trust, {}, limit_s)
    return Revision(answer["commit"], tuple(answer["objections"])), answer["subject"]


def publish(
    folder: Path, trust: Trust, forge: ForgeAccess, publication: Mapping[str, Any], limit_s: float = LIMIT_S
) -> None:
    """Push and report what `operations.publish.Publication` says, given as plain values.

    Raises:
        GitFailedError: it failed or took too long.
    """
    _ask("publish", folder, trust, {"forge": asdict(forge), **publication}, limit_s)


def _ask(work: str, folder: Path, trust: Trust, given: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
    request = {
        "work": work,
        "folder": str(folder),
        "trust": asdict(trust),
        "given": given,
        "limit_s": limit_s,
    }
    # Whatever way the parent was found, its child is found by the same.
    path = os.pathsep.join(
        filter(None, [str(Path(fleetsched.__file__).parents[1]), os.environ.get("PYTHONPATH")])
    )
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,  # a signal to the reconciler is not for it, and the limit ends all it started
    )
    try:
        said, complaint = process.communicate(json.dumps(request), timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise GitFailedError(f"Git took longer than {limit_s:g} s", remedy="check the remote") from error
    if process.returncode != 0:
        last = complaint.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise GitFailedError(f"Git's process ended: {redact(last[0])}")
    answer: dict[str, Any] = json.loads(said)
    if "error" in answer:
        raise GitFailedError(answer["error"], remedy=answer["remedy"])
    return answer


def perform(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do the work of a request; expected errors become an answer."""
    from filelock import FileLock, Timeout

    folder = Path(request["folder"])
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        # A child of a reconciler that was killed may still be at work.
        with FileLock(f"{folder}.lock", timeout=_LOCK_S):
            return _perform(request["work"], folder, Trust(**request["trust"]), request["given"])
    except Timeout:
        return {"error": f"{folder} is in use by another process", "remedy": "wait for it, or end it"}
    except FleetschedError as error:
        return {"error": redact(error.message), "remedy": redact(error.remedy)}


def _perform(work: str, folder: Path, trust: Trust, given: Mapping[str, Any]) -> dict[str, Any]:
    if work == "fetch":
        from fleetsched.fleetrepo.clone import bring, subject

        revision = bring(folder, trust)
        said = subject(folder, revision.commit) if revision.commit else ""
        return {"commit": revision.commit, "objections": revision.objections, "subject": said}
    from fleetsched.operations.publish import Publication
    from fleetsched.operations.publish import publish as carry_out

    token, state = given["forge"]["token"], given["state"]
    forge = ForgeAccess(**{**given["forge"], "token": SecretReference(**token) if token else None})
    plain = {name: given[name] for name in ("commit", "notes", "reports")}
    carry_out(folder, trust, forge, Publication(**plain, state=Path(state) if state else None))
    return {}


def _main() -> int:
    request = json.load(sys.stdin)
    signal.alarm(int(request["limit_s"]) + _GRACE_S)  # also when the parent is gone
    # The reconciler commits notes and reports in its own name, unless the user has chosen one for it.
    for role in ("AUTHOR", "COMMITTER"):
        os.environ.setdefault(f"GIT_{role}_NAME", "fleetsched reconciler")
        os.environ.setdefault(f"GIT_{role}_EMAIL", "fleetsched@localhost")
    json.dump(perform(request), sys.stdout)
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(_main())
