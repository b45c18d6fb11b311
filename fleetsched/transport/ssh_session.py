# SPDX-License-Identifier: Apache-2.0
"""Opening one SSH session: the handshake with its limits, the host's key, and the hosts on the way."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from fleetsched.errors import HostKeyError, UnreachableError
from fleetsched.model.wording import printable
from fleetsched.transport.known_hosts import HostKey, KnownHosts, Verdict
from fleetsched.transport.ssh_auth import log_in
from fleetsched.transport.ssh_link import Link
from fleetsched.transport.ssh_options import SshOptions
from fleetsched.transport.ssh_ordered import OrderedPacketizer

# Seconds. A host under emulation, or one with a hundred connections at once, is slow to say its first line.
BANNER_S = 60.0
HANDSHAKE_S = 90.0
OPEN_S = 60.0
_AUTH_S = 60.0
_JOIN_S = 10.0
_FAREWELL = 200

# The algorithms that use a kind of key; others have the key's own name.
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True, slots=True)
class Shown:
    """The key that a host has shown, and what is known about it."""

    key: HostKey
    verdict: Verdict
    known: tuple[HostKey, ...]


class Session:
    """One SSH transport over one link, with the thread that paramiko gives it."""

    def __init__(self, link: Link, options: SshOptions) -> None:
        self.options = options
        self._link = link
        self.transport = paramiko.Transport(link.sock, packetizer_class=OrderedPacketizer)
        self.transport.banner_timeout = BANNER_S
        self.transport.handshake_timeout = BANNER_S
        self.transport.auth_timeout = _AUTH_S
        self.transport.channel_timeout = OPEN_S

    def close(self) -> None:
        """End the session, its thread and its link."""
        # paramiko's thread waits for its socket a tenth of a second at a time. Only this wakes it.
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._link.sock.shutdown(socket.SHUT_RDWR)
        self.transport.close()
        self._link.sock.close()
        if self.transport.ident is not None and self.transport is not threading.current_thread():
            self.transport.join(_JOIN_S)
        self._link.close()

    def shake_hands(self, known_hosts: KnownHosts) -> Shown:
        """Agree on keys with the host and look its own key up.

        Raises:
            UnreachableError: what listens there is no SSH server, or none that we can talk to.
        """
        options = self.options
        known = tuple(known_hosts.keys_of(options.key_name, options.known_hosts))
        self._prefer({key.type for key in known})
        done = threading.Event()
        self.transport.start_client(event=done)
        if not done.wait(HANDSHAKE_S):
            raise UnreachableError(f"{options.host}: the SSH handshake took longer than {HANDSHAKE_S:g} s")
        if not self.transport.is_active():
            raise self._no_handshake(self.transport.get_exception())
        shown = self.transport.get_remote_server_key()
        key = HostKey(shown.get_name(), shown.get_base64())
        verdict = known_hosts.judge(options.key_name, options.address, key, options.known_hosts)
        return Shown(key, verdict, known)

    def open(self, connect: Callable[[], paramiko.Channel]) -> paramiko.Channel:
        """Open a channel, or say why not."""
        try:
            return connect()
        except (paramiko.SSHException, EOFError, OSError) as error:
            why = self.farewell() or error or "it was lost"
            raise UnreachableError(f"{self.options.host}: no channel on the connection: {why}") from error

    def tunnel(self, to: SshOptions) -> Link:
        """Open a way through this host to the next one."""
        target, source = (to.address, to.port), ("127.0.0.1", 0)
        channel = self.open(
            lambda: self.transport.open_channel("direct-tcpip", target, source, timeout=OPEN_S)
        )
        return Link(channel, channel.close)

    def farewell(self) -> str:
        """Why the host ended the connection, in its own words; empty when it said nothing."""
        packetizer = self.transport.packetizer
        assert isinstance(packetizer, OrderedPacketizer)
        return printable(packetizer.farewell[:_FAREWELL], keep="")

    def _prefer(self, types: set[str]) -> None:
        """Ask for a kind of key that is known, as OpenSSH does: a host with several shows the first asked."""
        security = self.transport.get_security_options()
        usual = tuple(security.key_types)
        wanted = [name for kind in sorted(types) for name in _ALGORITHMS.get(kind, (kind,)) if name in usual]
        security.key_types = (*wanted, *(name for name in usual if name not in wanted))

    def _no_handshake(self, error: Exception | None) -> UnreachableError:
        where = f"{self.options.address}:{self.options.port}"
        if isinstance(error, paramiko.SSHException) and "banner" not in str(error):
            return UnreachableError(f"{self.options.host}: no SSH session with {where}: {error}")
        return UnreachableError(
            f"{self.options.host}: what listens on {where} does not answer as an SSH server",
            remedy="a host that is starting does this for a moment; else check the port",
        )


def open_session(link: Link, options: SshOptions, known_hosts: KnownHosts, *, on_the_way: bool) -> Session:
    """Open a session with a host whose key is known, and log in. The link is closed when that fails.

    Raises:
        UnreachableError, HostKeyError: as Transport.connect.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(link.close)
        session = Session(link, options)
        undo.callback(session.close)
        shown = session.shake_hands(known_hosts)
        if shown.verdict is not Verdict.KNOWN:
            raise refused_key(options, shown, on_the_way=on_the_way)
        log_in(session.transport, options)
        if options.keepalive_s:
            session.transport.set_keepalive(options.keepalive_s)
        undo.pop_all()
    return session


def refused_key(options: SshOptions, shown: Shown, *, on_the_way: bool) -> HostKeyError:
    """Say what is wrong with a host's key."""
    host, name, key = options.host, options.key_name, shown.key
    # What is called "bastion (on the way to web-1)" is no host of the inventory.
    trust = f"`ssh {host.partition(' ')[0]}`" if on_the_way else f"`fleetsched hosts trust {host}`"
    if shown.verdict is Verdict.UNKNOWN:
        return HostKeyError(
            f"{host}: the key of {name} is not known: {key.type} {key.fingerprint}",
            fingerprint=key.fingerprint,
            remedy=f"if the host itself says the same fingerprint, {trust}",
        )
    if shown.verdict is Verdict.REVOKED:
        return HostKeyError(
            f"{host}: THE KEY OF {name} IS REVOKED: {key.type} {key.fingerprint}",
            fingerprint=key.fingerprint,
            remedy="whoever has this key must not be trusted; give the host a new one",
        )
    known = ", ".join(f"{one.type} {one.fingerprint}" for one in shown.known)
    replace = "remove the old key with `ssh-keygen -R`" if on_the_way else f"{trust[:-1]} --replace`"
    return HostKeyError(
        f"{host}: THE KEY OF {name} HAS CHANGED: it shows {key.type} {key.fingerprint}, known is {known}",
        fingerprint=key.fingerprint,
        remedy="somebody may be listening in between, or the host was set up anew: "
        f"find out which, and only then {replace}",
    )
