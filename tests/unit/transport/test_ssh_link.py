# SPDX-License-Identifier: Apache-2.0
"""What a host is told to be when no stream to it can be opened. Connections that open are in tests/real."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fleetsched.errors import UnreachableError
from fleetsched.model.inventory import Host
from fleetsched.transport.ssh_link import open_link
from fleetsched.transport.ssh_options import SshDefaults, UserConfig, resolve


@pytest.mark.parametrize("address", ["web..example", f"{'w' * 64}.example"])
def test_address_that_can_be_no_name_concerns_its_host_alone(address: str, tmp_path: Path) -> None:
    options = resolve(Host("web-1", address), UserConfig(tmp_path / "config"), SshDefaults())

    with pytest.raises(UnreachableError) as caught:
        open_link(options)

    assert caught.value.message == (
        f"web-1: {address} can be no name: a part of it is empty or longer than 63 characters"
    )
    assert caught.value.remedy == "check `ansible_host` in the inventory"


def test_name_that_nobody_knows_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> socket.socket:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    options = resolve(Host("web-1", "web.example"), UserConfig(tmp_path / "config"), SshDefaults())

    with pytest.raises(UnreachableError) as caught:
        open_link(options)

    assert caught.value.message == "web-1: the name web.example is not known (Name or service not known)"
