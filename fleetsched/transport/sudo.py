# SPDX-License-Identifier: Apache-2.0
"""Becoming root through sudo without a password, and saying why it did not work."""

from __future__ import annotations

from collections.abc import Sequence

from fleetsched.errors import BecomeError

# env: because a login shell may know no `NAME=value command`; LC_ALL makes the messages below certain.
_SUDO = ("env", "LC_ALL=C", "sudo", "-n", "--")

# Bytes of a command's standard error that are kept for messages.
STDERR_TAIL = 4096

_PASSWORD = ("a password is required", "a terminal is required", "no tty present", "you must have a tty")
_FORBIDDEN = ("is not in the sudoers file", "is not allowed to", "may not run sudo", "no valid sudoers")


def through_sudo(command: Sequence[str]) -> list[str]:
    """Return the argument list that runs `command` as root or fails at once."""
    return [*_SUDO, *command]


def sudo_error(host: str, user: str, stderr: str) -> BecomeError | None:
    """Recognise sudo's refusal in what a command wrote to its standard error; None when it is none.

    Only the first line that names sudo is looked at: sudo and the shell write theirs before a command runs.
    """
    lines = [line for line in stderr.splitlines() if "sudo" in line]
    first = lines[0] if lines else ""
    nopasswd = (
        f"allow it there: `{user} ALL=(root) NOPASSWD: ALL` in a file under /etc/sudoers.d, or log in as root"
    )
    if any(sign in first for sign in _PASSWORD):
        return BecomeError(f"sudo on {host} asks for a password; it is used without one", remedy=nopasswd)
    if any(sign in first for sign in _FORBIDDEN):
        return BecomeError(f"sudo on {host} does not let {user} become root", remedy=nopasswd)
    if first.startswith("env:"):  # in the host's own language
        remedy = f"install sudo on {host}, or log in as root (`ansible_user: root`)"
        return BecomeError(f"{host} has no sudo, and {user} is not root", remedy=remedy)
    return None
