# SPDX-License-Identifier: Apache-2.0
"""A client of a helper that runs as a process of this machine."""

from __future__ import annotations

from pathlib import Path

from fleetsched.helper.client import HelperClient
from fleetsched.transport.interface import Connection


def greeted(connection: Connection, helper: Path, socket: Path) -> HelperClient:
    """Reach a helper through its own `rpc`, and greet it; what fails leaves no channel open."""
    client = HelperClient(connection.open((str(helper), "rpc", "--socket", str(socket))), "here")
    try:
        client.hello()
    except BaseException:
        client.close()
        raise
    return client
