# SPDX-License-Identifier: Apache-2.0
"""What sudo says, and what a person is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleetsched.transport.sudo import password_line, sudo_error, through_sudo

PASSWORD = "sudo on web-1 asks for a password; it is used without one"
WRONG = "sudo on web-1 does not take the password of ann"
FORBIDDEN = "sudo on web-1 does not let ann become root"
MISSING = "web-1 has no sudo, and ann is not root"


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("sudo: a password is required\n", PASSWORD),
        ("Sorry, try again.\nsudo: no password was provided\n", WRONG),
        ("sudo: 3 incorrect password attempts\n", WRONG),
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


@pytest.mark.parametrize("wants_it", [True, False])
def test_a_password_is_the_first_line_whether_sudo_wants_it_or_not(tmp_path: Path, wants_it: bool) -> None:
    """With a stand-in for sudo, since the tests' own user may be root."""
    stand_in = tmp_path / "sudo"
    stand_in.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"-n) [ -e {tmp_path}/open ] || {{ echo 'sudo: a password is required' >&2; exit 1; }}\n"
        '    [ "$2" = -- ] && shift; shift; exec "$@";;\n'
        f"-S) read -r given; [ \"$given\" = 'se cret' ] && : > {tmp_path}/open;;\n"
        "esac\n"
    )
    stand_in.chmod(0o755)
    if not wants_it:
        (tmp_path / "open").touch()
    done = subprocess.run(
        through_sudo(["sh", "-c", 'cat; echo "$1"', "sh", "argument"], password=True),
        input=password_line("se cret") + b"the command's own\n",
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        timeout=30,
    )
    assert (done.stdout, done.returncode) == (b"the command's own\nargument\n", 0), done
