# SPDX-License-Identifier: Apache-2.0
"""Git's work in a real process: its answers, its errors, and its end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleetsched.model.controller import Trust
from fleetsched.reconcile import child
from tests.unit.git_repository import git
from tests.unit.reconcile.fleet import ReconciledFleet


def test_it_fetches_and_tells_the_revision(fleet: ReconciledFleet) -> None:
    revision, subject = child.fetch(fleet.home / "state" / "repository", fleet.trust)
    assert (revision.commit, revision.approved) == (git(fleet.folder, "rev-parse", "HEAD"), True)
    assert subject == "first"
    assert (fleet.home / "state" / "repository" / "fleetsched.yaml").is_file()


def test_its_error_is_the_parents(fleet: ReconciledFleet) -> None:
    with pytest.raises(child.GitFailedError, match="cannot fetch main") as caught:
        child.fetch(fleet.home / "clone", Trust(remote=str(fleet.home / "nowhere.git")))
    assert "check the remote" in caught.value.remedy


def test_what_hangs_is_ended_with_all_that_it_started(
    fleet: ReconciledFleet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hanging = tmp_path / "ssh"
    hanging.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 1000\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(hanging))
    for limit_s in (4, 20, 100):  # on a busy machine Git may not have come as far as that
        with pytest.raises(child.GitFailedError, match=f"Git took longer than {limit_s} s"):
            child.fetch(fleet.home / "clone", Trust(remote="ssh://git@host.invalid/x.git"), limit_s)
        if (tmp_path / "pid").exists():
            break
    pid = (tmp_path / "pid").read_text().strip()
    said = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True).stdout
    assert said.strip()[:1] in ("", "Z")  # gone, or dead and not yet waited for


def test_a_crash_is_told(fleet: ReconciledFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(child.GitFailedError, match="Git's process ended: exit code 1"):
        child.fetch(fleet.home / "clone", fleet.trust)
