# SPDX-License-Identifier: Apache-2.0
"""The stream of bytes below SSH: a TCP connection, or the standard streams of a ProxyCommand."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from fleetsched.errors import UnreachableError
from fleetsched.transport.ssh_options import SshOptions

# Unacknowledged data (keepalives, too) for this long: the host is gone. TCP's own patience is 15 minutes.
_LOST_MS = 60_000
_END_S = 5.0
_CHECK_NAME = "check `ansible_host` in the inventory"


@dataclass(frozen=True, slots=True)
class Link:
    """An open stream and how to end what belongs to it."""

    sock: socket.socket | paramiko.Channel
    close: Callable[[], None]


def open_link(options: SshOptions) -> Link:
    """Connect to a host's sshd, directly or through its ProxyCommand.

    Raises:
        UnreachableError: name unknown, refused, or no answer in time.
    """
    return _start_proxy(options) if options.proxy_command else _connect(options)


def _connect(options: SshOptions) -> Link:
    where = f"{options.address}:{options.port}"
    try:
        sock = socket.create_connection((options.address, options.port), options.connect_timeout_s)
    except socket.gaierror as error:
        message = f"{options.host}: the name {options.address} is not known ({error.strerror})"
        raise UnreachableError(message, remedy=_CHECK_NAME) from error
    except UnicodeError as error:  # of the codec that makes names of hosts, before anybody is asked for it
        why = "a part of it is empty or longer than 63 characters"
        message = f"{options.host}: {options.address} can be no name: {why}"
        raise UnreachableError(message, remedy=_CHECK_NAME) from error
    except TimeoutError as error:
        message = f"{options.host}: no answer from {where} within {options.connect_timeout_s:g} s"
        raise UnreachableError(message, remedy="is the host up, and is there a firewall between?") from error
    except ConnectionRefusedError as error:
        message = f"{options.host}: nothing listens on {where}"
        raise UnreachableError(message, remedy="is its sshd running, and is the port right?") from error
    except OSError as error:
        raise UnreachableError(f"{options.host}: {where} cannot be reached: {error.strerror}") from error
    # Without it each exec waits 40 ms for the delayed acknowledgement of the one before.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _LOST_MS)
    return Link(sock, sock.close)


def _start_proxy(options: SshOptions) -> Link:
    """Start the user's own command, by the shell as OpenSSH does: the names put into it have been checked."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {options.proxy_command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            message = f"{options.host}: its ProxyCommand cannot be started: {error.strerror}"
            raise UnreachableError(message) from error

    def close() -> None:
        ours.close()
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)

    return Link(ours, close)
