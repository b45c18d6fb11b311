# SPDX-License-Identifier: Apache-2.0
"""What tests of several rooms begin with."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.unit.git_repository import git

# Machines are shared and slow at times: an example that takes long there is no defect.
settings.register_profile("fleetsched", deadline=None)
settings.load_profile("fleetsched")

_LEAVE_S = 10  # for threads that were told to end


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """A thread that outlives its test reads from whatever gets the number of its file next."""
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + _LEAVE_S
    while left := {each.name for each in set(threading.enumerate()) - before if not _is_kept(each)}:
        assert time.monotonic() < until, f"still running: {sorted(left)}"
        time.sleep(0.01)


def _is_kept(thread: threading.Thread) -> bool:
    """Whether a library keeps it for the whole process, as apprise does; pools of ours have names."""
    return thread.name.startswith("ThreadPoolExecutor-")


@pytest.fixture
def own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git knows nothing of the user who runs the tests."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="session")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `remote.git` and its `clone`, to be copied: making them takes ten processes."""
    folder = tmp_path_factory.mktemp("cloned")
    git(folder, "init", "--bare", "remote.git")
    git(folder, "clone", "remote.git", "clone")
    clone = folder / "clone"
    (clone / "manifests").mkdir()
    (clone / "manifests" / "a.yaml").write_text("a: 1\n")
    (clone / ".gitignore").write_text("inventory/lab.yaml\nmanifests/mine.yaml\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-m", "first")
    git(clone, "push", "origin", "HEAD:main")
    return folder


@pytest.fixture
def clone(tmp_path: Path, own_git: None, cloned: Path) -> Path:
    """A clone whose only commit is on the remote's main."""
    for name in ("remote.git", "clone"):
        shutil.copytree(cloned / name, tmp_path / name)
    folder = tmp_path / "clone"
    git(folder, "remote", "set-url", "origin", str(tmp_path / "remote.git"))
    return folder
