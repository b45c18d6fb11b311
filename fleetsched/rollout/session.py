# SPDX-License-Identifier: Apache-2.0
"""One host during one run: one connection and one helper channel, opened when first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleetsched.errors import HelperError, HostError
from fleetsched.helper.client import HelperClient
from fleetsched.helper.install import install
from fleetsched.helper.session import open_helper
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Observed
from fleetsched.transport.interface import Connection, Transport


@dataclass(frozen=True, slots=True)
class HelperFiles:
    """What `install-helper` brings to a host: the static binary and its systemd unit."""

    binary: bytes
    unit: bytes


class HostSession:
    """The way to one host for a whole run. One thread at a time may use it, except for `close`.

    Args:
        files: gives the helper for an architecture (`uname -m`); called only when it has to be installed.
    """

    def __init__(self, host: Host, transport: Transport, files: Callable[[], HelperFiles]) -> None:
        self.host = host
        self.token: int | None = None
        self._transport = transport
        self._files = files
        self._connection: Connection | None = None
        self._helper: HelperClient | None = None

    def helper(self) -> HelperClient:
        """The helper's client, connecting when necessary.

        Raises:
            HostError: unreachable, key refused, or (HelperError `no-helper`, `no-service`) no helper there.
        """
        if self._helper is None:
            if self._connection is None:
                self._connection = self._transport.connect(self.host)
            self._helper = open_helper(self._connection, self.host)
        return self._helper

    def look(self) -> Observed:
        """Ask the host for its facts and status. Never raises for what concerns this host only."""
        try:
            helper = self.helper()
            return Observed(status=helper.status(), facts=helper.facts())
        except HelperError as error:
            if error.code == "no-helper":
                return Observed(helper_missing=True)
            return Observed(error=error.message, remedy=error.remedy)
        except HostError as error:
            return Observed(error=error.message, remedy=error.remedy)

    def install(self) -> None:
        """Bring the helper and its service to the host, then talk to it.

        Raises:
            HostError: it cannot be installed there; the message says why.
        """
        if self._connection is None:
            self._connection = self._transport.connect(self.host)
        files = self._files()
        install(self._connection, self.host, files.binary, files.unit)
        self._helper = None
        self.helper()

    def take_lease(self, owner: str, ttl_s: float) -> int:
        """Take or renew the host's lease for this run and return its fencing token.

        Raises:
            LeaseHeldError: another run has it.
            HostError: the host cannot be asked.
        """
        self.token = self.helper().lease(owner, ttl_s, token=self.token).token
        return self.token

    def drop_lease(self) -> None:
        """Give the lease back. A host that cannot be asked lets it expire."""
        if self._helper is None or self.token is None:
            return
        token, self.token = self.token, None
        try:
            self._helper.release_lease(token)
        except HostError:
            self.close()

    def reconnect(self) -> HelperClient:
        """Start again on a new connection, after the old one was lost."""
        self.close()
        return self.helper()

    def close(self) -> None:
        """Close channel and connection. Nothing on the host depends on them."""
        helper, self._helper = self._helper, None
        connection, self._connection = self._connection, None
        if helper is not None:
            helper.close()
        if connection is not None:
            connection.close()
