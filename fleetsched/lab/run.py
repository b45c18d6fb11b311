# SPDX-License-Identifier: Apache-2.0
"""Running the programs that build the lab, so that none outlives the command that started it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleetsched.errors import LabError

_GRACE_S = 10.0  # mmdebstrap unmounts and deletes its temporary folder when it is told to end


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    what: str,
    remedy: str = "",
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end.

    Args:
        argv: the program, looked up on PATH and in the system's administration folders, and its arguments.
        timeout_s: seconds after which it is told to end.
        what: what it was meant to do, for the message of a failure.
        remedy: what the reader can do about a failure.
        cwd: where it runs; here when None.
        environment: added to this process's own.

    Returns:
        Its standard output.

    Raises:
        LabError: it is not installed, failed or took too long; the message ends with its last words.
    """
    # Users of Debian do not have sbin on their PATH, and mke2fs and depmod live there.
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    try:
        child = subprocess.Popen(
            # The kernel ends the program when this process is killed.
            ["setpriv", "--pdeathsig", "TERM", "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=cwd,
            env={**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", **(environment or {})},
        )
    except FileNotFoundError as error:
        raise LabError("cannot run setpriv", remedy="Install the package util-linux.") from error
    with child:
        try:
            out, err = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            _end(child)
            raise LabError(
                f"could not {what}: {argv[0]} took more than {timeout_s:.0f} s", remedy=remedy
            ) from error
        except BaseException:  # Ctrl-C above all: the child must not go on without us
            _end(child)
            raise
    if child.returncode == 127 and "failed to execute" in err:
        raise LabError(f"could not {what}: {argv[0]} is not installed", remedy="`make setup` installs it.")
    if child.returncode:
        raise LabError(f"could not {what}: {_last_words(err) or argv[0] + ' failed'}", remedy=remedy)
    return out


def _end(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()


def _last_words(text: str, lines: int = 5) -> str:
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(kept[-lines:])
