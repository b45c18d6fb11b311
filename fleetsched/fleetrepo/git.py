# SPDX-License-Identifier: Apache-2.0
"""Git in one folder, with everything off that a repository could use to run programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleetsched.errors import FleetschedError

# Nothing that a repository's configuration names is run, and no transport that runs programs is used.
_SAFE = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.ext.allow=never")
# Never ask on a terminal, never write an index only to refresh it; messages in English, as they are shown.
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


class Git:
    """Runs `git` in a folder.

    Raises:
        FleetschedError: Git is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import git  # takes 0.1 s, and most commands do without
        except ImportError as error:  # GitPython raises it, too, where there is no `git`
            raise FleetschedError("Git cannot be run", remedy="install git (`apt install git`)") from error
        self._git: Any = git.Git(folder)

    def run(self, *arguments: str, limit_s: float | None = None) -> tuple[int, str, str]:
        """Run `git arguments`, killed after `limit_s` seconds; return its exit status, output and errors."""
        options = [word for setting in _SAFE for word in ("-c", setting)]
        status, output, errors = self._git.execute(
            ["git", *options, *arguments],
            with_extended_output=True,
            with_exceptions=False,
            env=_ENVIRONMENT,
            kill_after_timeout=limit_s,
        )
        return status, output, errors

    def output(self, *arguments: str) -> str:
        """Run `git arguments`; return its output.

        Raises:
            FleetschedError: it failed.
        """
        status, output, errors = self.run(*arguments)
        if status != 0:
            raise FleetschedError(f"`git {arguments[0]}` failed{because(errors)}")
        return output

    def is_inside_repository(self) -> bool:
        """Whether the folder lies in a Git work tree."""
        return self.run("rev-parse", "--is-inside-work-tree")[:2] == (0, "true")


def because(errors: str) -> str:
    """Put the first line of Git's errors into brackets."""
    lines = [line.removeprefix("fatal: ") for line in errors.splitlines() if line.strip()]
    return f" ({lines[0]})" if lines else ""


def ensure_repository(folder: Path) -> None:
    """Make the folder a Git repository with the branch `main`, unless it already lies in one.

    Raises:
        FleetschedError: Git is not installed, or refuses.
    """
    git = Git(folder)
    if git.is_inside_repository():
        return
    status, _, errors = git.run("init", "--quiet", "--initial-branch=main")
    if status != 0:
        raise FleetschedError(f"cannot make {folder} a Git repository{because(errors)}")
