# SPDX-License-Identifier: Apache-2.0
"""Becoming root through the real sudo of a lab host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.errors import BecomeError
from fleetsched.helper.session import open_helper
from fleetsched.inventory.read import read_inventory
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Connection
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults
from tests.real.conftest import RealLab

pytestmark = pytest.mark.lab

_USER = "fleetsched-test"
_SUDOERS = f"/etc/sudoers.d/{_USER}"
_ADD = f"""
set -e
useradd --create-home --shell /bin/bash {_USER}
mkdir -m 0700 /home/{_USER}/.ssh
cp /root/.ssh/authorized_keys /home/{_USER}/.ssh/
chown -R {_USER}: /home/{_USER}/.ssh
"""
_REMOVE = f"userdel --remove {_USER}; rm -f {_SUDOERS}"


@pytest.fixture(scope="module")
def transport() -> SshTransport:
    return SshTransport(SshDefaults(config_file=Path("/nonexistent")))


@pytest.fixture(scope="module")
def root(lab: RealLab) -> Host:
    return read_inventory([lab.inventory], lab.inventory.parent).inventory.hosts[lab.hosts[-1]]


@pytest.fixture(scope="module")
def as_root(root: Host, transport: SshTransport) -> Iterator[Connection]:
    with transport.connect(root) as connection:
        added = connection.run(["sh", "-c", _ADD], timeout_s=120)
        assert added.exit_code == 0, added
        yield connection
        connection.run(["sh", "-c", _REMOVE], timeout_s=120)


def test_a_user_who_may_use_sudo_becomes_root(
    as_root: Connection, root: Host, transport: SshTransport
) -> None:
    rule = f"echo '{_USER} ALL=(root) NOPASSWD: ALL' > {_SUDOERS}"
    assert as_root.run(["sh", "-c", rule], timeout_s=60).exit_code == 0
    with transport.connect(replace(root, user=_USER)) as connection:
        assert connection.run(["id", "-u"], timeout_s=60).stdout == b"0\n"


def test_a_user_whose_sudo_wants_a_password_is_told(
    as_root: Connection, root: Host, transport: SshTransport
) -> None:
    rule = f"echo '{_USER} ALL=(root) ALL' > {_SUDOERS}"
    assert as_root.run(["sh", "-c", rule], timeout_s=60).exit_code == 0
    with transport.connect(replace(root, user=_USER)) as connection:
        with pytest.raises(BecomeError, match=rf"^sudo on {root.name} asks for a password"):
            connection.run(["id", "-u"], timeout_s=60)
        with pytest.raises(BecomeError, match=rf"^sudo on {root.name} asks for a password"):
            open_helper(connection, root.name)


def test_a_user_gives_the_password_that_sudo_wants(as_root: Connection, root: Host) -> None:
    rule = f"echo '{_USER} ALL=(root) ALL' > {_SUDOERS}; echo '{_USER}:se cret' | chpasswd"
    assert as_root.run(["sh", "-c", rule], timeout_s=60).exit_code == 0
    host, defaults = replace(root, user=_USER), SshDefaults(config_file=Path("/nonexistent"))
    with SshTransport(defaults, "se cret").connect(host) as connection:
        done = connection.run(["sh", "-c", "id -u; cat"], stdin=b"its own input", timeout_s=60)
        assert done.stdout == b"0\nits own input"
        opened = open_helper(connection, root.name)
        assert opened
    as_root.run(["sh", "-c", f"rm -rf /run/sudo/ts/{_USER}"], timeout_s=60)  # what sudo remembers
    with (
        SshTransport(defaults, "wrong").connect(host) as connection,
        pytest.raises(BecomeError, match=rf"^sudo on {root.name} does not take the password of {_USER}"),
    ):
        connection.run(["id", "-u"], timeout_s=60)


def test_a_user_without_any_right_is_told(as_root: Connection, root: Host, transport: SshTransport) -> None:
    assert as_root.run(["rm", "-f", _SUDOERS], timeout_s=60).exit_code == 0
    with (
        transport.connect(replace(root, user=_USER)) as connection,
        pytest.raises(BecomeError, match=rf"^sudo on {root.name} "),
    ):
        open_helper(connection, root.name)
