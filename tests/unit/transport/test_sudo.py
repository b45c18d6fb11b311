# SPDX-License-Identifier: Apache-2.0
"""What sudo says, and what a person is told."""

from __future__ import annotations

import pytest

from fleetsched.transport.sudo import sudo_error, through_sudo

PASSWORD = "sudo on web-1 asks for a password; it is used without one"
FORBIDDEN = "sudo on web-1 does not let ann become root"
MISSING = "web-1 has no sudo, and ann is not root"


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("sudo: a password is required\n", PASSWORD),
        ("Welcome!\nsudo: a terminal is required to read the password\n", PASSWORD),
        ("sudo: sorry, you must have a tty to run sudo\n", PASSWORD),
        ("ann is not in the sudoers file. sudo is watching.\n", FORBIDDEN),
        ("Sorry, user ann may not run sudo on web-1.\n", FORBIDDEN),
        ("env: 'sudo': No such file or directory\n", MISSING),
        ("env: »sudo«: Datei oder Verzeichnis nicht gefunden\n", MISSING),
        ("sudo: unable to resolve host web-1\n", None),
        ("fleetsched-host: cannot connect\n", None),
        ("", None),
    ],
)
def test_refusals_are_recognised(stderr: str, message: str | None) -> None:
    error = sudo_error("web-1", "ann", stderr)
    assert (error and error.message) == message


def test_sudo_never_asks() -> None:
    assert through_sudo(["sh", "-c", "id"]) == ["env", "LC_ALL=C", "sudo", "-n", "--", "sh", "-c", "id"]
