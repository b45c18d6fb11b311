# SPDX-License-Identifier: Apache-2.0
"""Becoming root through sudo, and saying why it did not work."""

from __future__ import annotations

from collections.abc import Sequence

from fleetsched.errors import BecomeError

# env: because a login shell may know no `NAME=value command`; LC_ALL makes the messages below certain.
_SUDO = ("env", "LC_ALL=C", "sudo", "-n", "--")

# With a password: the first line of the standard input is it, whether sudo wants it or not, so that what
# follows is the command's in any case. Only builtins see it: it is in no argument list and no environment.
# sudo is asked once by itself, since it would take the command's own input for further attempts.
_ASKED_ONCE = """\
export LC_ALL=C
IFS= read -r password
sudo -n true 2>/dev/null || printf '%s\\n' "$password" | sudo -S -p '' -v || exit 1
unset password
sudo -n -- "$@"
"""

# Bytes of a command's standard error that are kept for messages.
STDERR_TAIL = 4096

_WRONG = ("incorrect password attempt", "no password was provided", "Sorry, try again")
_PASSWORD = ("a password is required", "a terminal is required", "no tty present", "you must have a tty")
_FORBIDDEN = ("is not in the sudoers file", "is not allowed to", "may not run sudo", "no valid sudoers")


def through_sudo(command: Sequence[str], *, password: bool = False) -> list[str]:
    """Return the argument list that runs `command` as root or fails at once.

    Args:
        command: what is run.
        password: the user's password will be the first line of its standard input (`password_line`).
    """
    return ["sh", "-c", _ASKED_ONCE, "sh", *command] if password else [*_SUDO, *command]


def password_line(password: str) -> bytes:
    """What is sent before anything else to a command that was started with a password."""
    return f"{password}\n".encode()


def sudo_error(host: str, user: str, stderr: str) -> BecomeError | None:
    """Recognise sudo's refusal in what a command wrote to its standard error; None when it is none.

    Only the first line that names sudo is looked at: sudo and the shell write theirs before a command runs.
    """
    lines = [line for line in stderr.splitlines() if "sudo" in line]
    first = lines[0] if lines else ""
    nopasswd = (
        f"allow it there: `{user} ALL=(root) NOPASSWD: ALL` in a file under /etc/sudoers.d, or log in as root"
    )
    if any(sign in line for line in lines for sign in _WRONG) or stderr.startswith(_WRONG):
        return BecomeError(f"sudo on {host} does not take the password of {user}", remedy="try -K again")
    if any(sign in first for sign in _PASSWORD):
        message = f"sudo on {host} asks for a password; it is used without one"
        return BecomeError(message, remedy=f"give it with -K, or {nopasswd}")
    if any(sign in first for sign in _FORBIDDEN):
        return BecomeError(f"sudo on {host} does not let {user} become root", remedy=nopasswd)
    if first.startswith("env:"):  # in the host's own language
        remedy = f"install sudo on {host}, or log in as root (`ansible_user: root`)"
        return BecomeError(f"{host} has no sudo, and {user} is not root", remedy=remedy)
    return None
