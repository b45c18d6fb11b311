# SPDX-License-Identifier: Apache-2.0
"""One host during one run: one connection and one helper channel, opened when first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from fleetsched.errors import BuildError, HelperError, HostError, LeaseHeldError, UnreachableError
from fleetsched.helper.client import HelperClient
from fleetsched.helper.install import install
from fleetsched.helper.prebuilt import ARCHITECTURES
from fleetsched.helper.session import INSTALL_REMEDY, NoHelper, open_helper, restricted_without_helper
from fleetsched.model.helper import HelperBuild
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Observed
from fleetsched.model.state import Notice
from fleetsched.transport.interface import Connection, Transport


@dataclass(frozen=True, slots=True)
class HelperFiles:
    """What is brought to a host: the static binary and its systemd unit."""

    binary: bytes
    unit: bytes


class HostSession:
    """The way to one host for a whole run. One thread at a time may use it, except for `close` and `end`.

    Args:
        files: gives the helper for an architecture (`uname -m`); called only when it has to be installed.

    Attributes:
        token: of the lease that this run has; None = it has none.
        lease_s: how long that lease lasts from each renewal on.
        alone: held by the thread of a run that uses it (`Sessions`).
    """

    def __init__(self, host: Host, transport: Transport, files: Callable[[str], HelperFiles]) -> None:
        self.host = host
        self.token: int | None = None
        self.lease_s = 0.0
        self.alone = threading.RLock()
        self._transport = transport
        self._files = files
        self._connection: Connection | None = None
        self._helper: HelperClient | None = None
        self._arch = ""
        self._ended = False

    def helper(self) -> HelperClient:
        """The helper's client, connecting when necessary.

        Raises:
            HostError: unreachable, key refused, or (HelperError `no-helper`, `no-service`) no helper there.
        """
        opened = self._open()
        if isinstance(opened, NoHelper):
            message, remedy = f"{self.host.name} has no helper", INSTALL_REMEDY
            if opened.restricted:
                message, remedy = restricted_without_helper(self.host.name)
            raise HelperError(message, code="no-helper", remedy=remedy)
        return opened

    def _open(self) -> HelperClient | NoHelper:
        if self._helper is None:
            opened = open_helper(self.connection(), self.host.name)
            if isinstance(opened, NoHelper):
                self._arch = opened.arch
                return opened
            self._helper = opened
        return self._helper

    def connection(self) -> Connection:
        """The connection, connecting when necessary.

        Raises:
            HostError: unreachable, or the key was refused, or this session has ended.
        """
        if self._ended:
            raise self._over()
        if self._connection is None:
            connection = self._connection = self._transport.connect(self.host)
            if self._ended:  # meanwhile, perhaps before there was anything to close
                connection.close()
                raise self._over()
            return connection
        return self._connection

    def look(self) -> Observed:
        """Ask the host for its facts and status. Never raises for what concerns this host only."""
        try:
            opened = self._open()
            if isinstance(opened, NoHelper):
                return Observed(
                    helper_missing=True,
                    obstacle=_obstacle(self.host.name, opened),
                    kernel_release=opened.kernel_release,
                    arch=opened.arch,
                )
            greeting = opened.greeting
            build = HelperBuild(greeting.helper, greeting.protocol, greeting.sha256) if greeting else None
            return Observed(status=opened.status(), facts=opened.facts(), helper=build)
        except HostError as error:
            return Observed(error=error.message, remedy=error.remedy)

    def has_helper(self) -> bool:
        """Ask whether there is a helper now.

        Raises:
            HostError: it cannot be asked, or the helper is there and does not run.
        """
        return not isinstance(self._open(), NoHelper)

    def install(self) -> bool:
        """Bring the helper and its service to a host that has none, then talk to it.

        Returns:
            Whether it was brought; if not, somebody else has done so since this session looked.

        Raises:
            HostError: it cannot be installed there; the message says why.
        """
        if not self._arch and self.has_helper():
            return False
        files = self.built(self._arch)
        # Another run may have installed one meanwhile, perhaps of another version, and have its trial on.
        brought = install(self.connection(), self.host.name, files.binary, files.unit, replace=False)
        self.helper()
        return brought

    def built(self, arch: str) -> HelperFiles:
        """The helper that this fleetsched has for an architecture (`uname -m`).

        Raises:
            HelperError: `not-built`.
        """
        try:
            return self._files(arch)
        except BuildError as error:
            message = f"{self.host.name}: {error.message}"
            raise HelperError(message, code="not-built", remedy=error.remedy) from error

    def take_lease(self, owner: str, ttl_s: float) -> int:
        """Take or renew the host's lease for this run and return its fencing token.

        Raises:
            LeaseHeldError: another run has it.
            HostError: the host cannot be asked.
        """
        self.token = self.helper().lease(owner, ttl_s, token=self.token).token
        self.lease_s = ttl_s
        return self.token

    def drop_lease(self) -> None:
        """Give the lease back. A host that cannot be asked lets it expire."""
        token, self.token = self.token, None  # in any case: what has a token is renewed
        if self._helper is None or token is None:
            return
        try:
            self._helper.release_lease(token)
        except (HostError, LeaseHeldError):
            self.close()

    def reconnect(self) -> HelperClient:
        """Start again on a new connection, after the old one was lost."""
        self.close()
        return self.helper()

    def reopen(self) -> HelperClient:
        """Greet the helper anew after it was restarted, over the same connection where that still stands."""
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.close()
        try:
            return self.helper()
        except UnreachableError:
            return self.reconnect()

    def end(self) -> None:
        """Close it for good: whoever is still at work with it cannot connect once more."""
        self._ended = True
        self.close()

    def _over(self) -> UnreachableError:
        return UnreachableError(f"{self.host.name}: the run has ended here")

    def close(self) -> None:
        """Close channel and connection. Nothing on the host depends on them."""
        helper, self._helper = self._helper, None
        connection, self._connection = self._connection, None
        if helper is not None:
            helper.close()
        if connection is not None:
            connection.close()


class Sessions:
    """The sessions of a run's hosts. Whoever uses one has it alone: this is the only way to them."""

    def __init__(self, sessions: Mapping[str, HostSession]) -> None:
        self._sessions = sessions

    def __iter__(self) -> Iterator[str]:
        return iter(self._sessions)

    def __contains__(self, host: str) -> bool:
        return host in self._sessions

    @contextmanager
    def use(self, host: str) -> Iterator[HostSession]:
        """Have a session alone, after whoever has it now; a thread may have it more than once."""
        session = self._sessions[host]
        with session.alone:
            yield session

    @contextmanager
    def use_idle(self, host: str) -> Iterator[HostSession | None]:
        """Have a session alone, or None, at once, when another thread has it."""
        session = self._sessions[host]
        if not session.alone.acquire(blocking=False):
            yield None
            return
        try:
            yield session
        finally:
            session.alone.release()


def _obstacle(name: str, host: NoHelper) -> Notice | None:
    """Why a host without a helper could not use one."""
    if host.restricted:
        return Notice("restricted-key", *restricted_without_helper(name))
    if not host.sched_ext:
        return Notice(
            "no-sched-ext",
            f"kernel {host.kernel_release} has no sched_ext",
            "boot a kernel with CONFIG_SCHED_CLASS_EXT (Linux 6.12 or later), or leave the host out",
        )
    if host.arch not in ARCHITECTURES:
        return Notice(
            "wrong-arch",
            f"there is no helper for {host.arch}, only for {' and '.join(ARCHITECTURES)}",
            "leave the host out of the group",
        )
    if not host.systemd:
        return Notice("no-systemd", "systemd does not run this host", "leave the host out of the group")
    return None
