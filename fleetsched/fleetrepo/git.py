# SPDX-License-Identifier: Apache-2.0
"""Git in one folder, with everything off that a repository could use to run programs."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from fleetsched.errors import FleetschedError, RefusedError
from fleetsched.fleetrepo.unsafe import unsafe_settings

# Nothing that a repository's configuration names is run and no submodule is entered. What cannot be set here
# is refused by unsafe.py before anything else is asked. A commit graph is a cache of who descends from whom
# that nothing checks; signatures are asked for where they are judged, not printed between other answers. No
# file is left out of a listing or difference because of its place, its name's case, its size or a submodule,
# and what is merged is merged as anywhere else.
_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.ignoreStat=false",
    "core.untrackedCache=false",
    "core.commitGraph=false",
    "core.ignoreCase=false",
    "core.quotePath=true",
    "core.bigFileThreshold=512m",
    "diff.relative=false",
    "diff.ignoreSubmodules=none",
    "diff.orderFile=/dev/null",
    "diff.noprefix=false",
    "diff.mnemonicPrefix=false",
    "merge.default=text",
    "merge.renormalize=false",
    "push.followTags=false",
    "push.recurseSubmodules=no",
    "advice.graftFileDeprecated=false",
    "log.showSignature=false",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
_ENVIRONMENT = {
    # Never ask on a terminal, never write an index only to refresh it; messages in English, as shown.
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
    # No transport that runs programs of other names, whatever a configuration allows; and no remote is asked
    # for single objects on the way.
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_NO_LAZY_FETCH": "1",
    # A commit is what its name says, not what refs/replace or info/grafts put into its place.
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
}
# Git sets these for its hooks; inherited from one, they would lead to another repository than the folder's.
# The user's own choices (GIT_SSH_COMMAND, GIT_CONFIG_GLOBAL, GIT_ASKPASS and the agent's socket) stay.
_INHERITED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG",
    "GIT_EXTERNAL_DIFF",
    "GIT_SHALLOW_FILE",
    "GIT_ATTR_SOURCE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
)

TIMED_OUT = 124
"""The exit status of a command that was killed because its time was over, as timeout(1) has it."""

UNSAFE_REMEDY = (
    "remove the setting from the repository (`git config --unset`), or make it your own (--global)"
)


class Git:
    """Runs `git` in a folder whose own configuration names no program and leads no fetch elsewhere.

    Args:
        folder: where.
        environment: variables for every command, such as `GIT_INDEX_FILE`.

    Raises:
        FleetschedError: Git is not installed.
    """

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        try:
            import git  # takes 0.1 s, and most commands do without
        except ImportError as error:  # GitPython raises it, too, where there is no `git`
            raise FleetschedError("Git cannot be run", remedy="install git (`apt install git`)") from error
        self.folder = folder
        self._git: Any = git.Git(folder)
        self._environment = _ENVIRONMENT | (environment or {})

    @cached_property
    def unsafe(self) -> tuple[str, ...]:
        """What the repository's configuration may not say, each `unsafe-config: ...`; asked once."""

        def ask(*arguments: str) -> tuple[int, str, str]:
            status, output, errors = self._execute(arguments, b"", None, strip_newline_in_stdout=True)
            return status, output.decode(errors="replace"), errors

        return tuple(unsafe_settings(ask))

    def run(self, *arguments: str, stdin: bytes = b"", limit_s: float | None = None) -> tuple[int, str, str]:
        """Run `git arguments`, killed after `limit_s` seconds; return its exit status, output and errors.

        The status is TIMED_OUT where the time was over, and negative where another signal ended it.
        The last newline of the output is left out.

        Raises:
            RefusedError: the repository's configuration is unsafe.
        """
        self._refuse_unsafe()
        status, output, errors = self._execute(arguments, stdin, limit_s, strip_newline_in_stdout=True)
        return status, output.decode(errors="replace"), errors

    def output(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run `git arguments`; return its output without the last newline.

        Raises:
            FleetschedError: it failed.
        """
        status, output, errors = self.run(*arguments, stdin=stdin)
        if status != 0:
            raise FleetschedError(f"`git {arguments[0]}` failed{because(errors)}")
        return output

    def content(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run `git arguments`; return its output as it is.

        Raises:
            FleetschedError: it failed.
        """
        self._refuse_unsafe()
        status, output, errors = self._execute(arguments, stdin, None, strip_newline_in_stdout=False)
        if status != 0:
            raise FleetschedError(f"`git {arguments[0]}` failed{because(errors)}")
        return output

    def _refuse_unsafe(self) -> None:
        if self.unsafe:
            raise RefusedError("; ".join(self.unsafe), remedy=UNSAFE_REMEDY)

    def _execute(
        self,
        arguments: tuple[str, ...],
        stdin: bytes,
        limit_s: float | None,
        *,
        strip_newline_in_stdout: bool,
    ) -> tuple[int, bytes, str]:
        unset = [word for name in _INHERITED if name not in self._environment for word in ("-u", name)]
        options = [word for setting in _SAFE for word in ("-c", setting)]
        with tempfile.TemporaryFile() as given:
            given.write(stdin)
            given.seek(0)
            status, output, errors = self._git.execute(
                ["env", *unset, "git", *options, *arguments],
                istream=given,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=strip_newline_in_stdout,
                env=self._environment,
                kill_after_timeout=limit_s,
            )
        # What GitPython says then goes on with the whole command line.
        if limit_s is not None and status < 0 and errors.startswith("Timeout: "):
            return TIMED_OUT, output, f"it took longer than {limit_s:g} s"
        return status, output, errors

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
