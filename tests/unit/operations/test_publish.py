# SPDX-License-Identifier: Apache-2.0
"""What the reconciler tells through the remote: one thing that is not taken keeps no other back."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import FleetschedError
from fleetsched.model.controller import ForgeAccess, Trust
from fleetsched.operations.publish import Publication, publish
from tests.unit.git_repository import git

_NO_NOTES = "#!/bin/sh\ncase $1 in refs/notes/*) echo no notes here >&2; exit 1;; esac\n"


def test_the_state_is_pushed_although_the_remote_takes_no_notes(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Alice")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "alice@example.invalid")
    remote = tmp_path / "remote.git"
    (remote / "hooks").mkdir(exist_ok=True)
    (remote / "hooks" / "update").write_text(_NO_NOTES)
    (remote / "hooks" / "update").chmod(0o755)
    (tmp_path / "state.json").write_text("{}")
    commit = git(clone, "rev-parse", "HEAD")
    publication = Publication(commit, [{"kind": "applied"}], state=tmp_path / "state.json")

    with pytest.raises(FleetschedError, match=f"the Git remote {remote} does not take it"):
        publish(clone, Trust(remote=str(remote)), ForgeAccess(), publication)

    assert git(remote, "show", "fleetsched/state:state.json") == "{}"
