# SPDX-License-Identifier: Apache-2.0
"""Each host by the way that the inventory names for it: SSH, or the controller itself."""

from __future__ import annotations

from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Connection, Transport
from fleetsched.transport.local import LocalTransport
from fleetsched.transport.ssh import SshTransport


class ByHostTransport(Transport):
    """Chooses by `ansible_connection`. Threads may share it; `ssh` is the way to all other hosts."""

    def __init__(self, ssh: SshTransport, become_password: str = "") -> None:
        self.ssh = ssh
        self._local = LocalTransport(become_password)

    def connect(self, host: Host) -> Connection:
        """Connect as the inventory says."""
        chosen: Transport = self._local if host.connection == "local" else self.ssh
        return chosen.connect(host)
