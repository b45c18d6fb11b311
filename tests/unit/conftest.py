# SPDX-License-Identifier: Apache-2.0
"""What tests of several rooms begin with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.unit.git_repository import git

# Machines are shared and slow at times: an example that takes long there is no defect.
settings.register_profile("fleetsched", deadline=None)
settings.load_profile("fleetsched")


@pytest.fixture
def own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git knows nothing of the user who runs the tests."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def clone(tmp_path: Path, own_git: None) -> Path:
    """A clone whose only commit is on the remote's main."""
    git(tmp_path, "init", "--bare", "remote.git")
    git(tmp_path, "clone", "remote.git", "clone")
    folder = tmp_path / "clone"
    (folder / "manifests").mkdir()
    (folder / "manifests" / "a.yaml").write_text("a: 1\n")
    (folder / ".gitignore").write_text("inventory/lab.yaml\nmanifests/mine.yaml\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "first")
    git(folder, "push", "origin", "HEAD:main")
    return folder
