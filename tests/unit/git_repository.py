# SPDX-License-Identifier: Apache-2.0
"""Real Git repositories for tests, apart from the user's own configuration."""

from __future__ import annotations

import subprocess
from pathlib import Path

_IDENTITY = ("user.name=A", "user.email=a@example.test", "init.defaultBranch=main", "commit.gpgSign=false")
# No tidying up after each command, no waiting for a disk: a test's repository is short-lived.
_QUICK = ("gc.auto=0", "maintenance.auto=false", "core.fsync=none")


def git(folder: Path, *arguments: str, settings: tuple[str, ...] = ()) -> str:
    """Run git, which must succeed; return what it printed."""
    options = [word for setting in (*_IDENTITY, *_QUICK, *settings) for word in ("-c", setting)]
    done = subprocess.run(
        ["git", *options, *arguments], cwd=folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"git {arguments}: {done.stdout}{done.stderr}"
    return done.stdout.strip()
