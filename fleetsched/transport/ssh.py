# SPDX-License-Identifier: Apache-2.0
"""Hosts over SSH, by paramiko: strict host keys, keys and agent, ~/.ssh/config, jump hosts, sudo."""

from __future__ import annotations

import contextlib
import logging
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import paramiko

from fleetsched.errors import HostError, UnreachableError
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import SEND_TIMEOUT_S, Channel, Completed, Connection, Transport
from fleetsched.transport.known_hosts import KnownHosts
from fleetsched.transport.ssh_link import Link, open_link
from fleetsched.transport.ssh_options import SshDefaults, SshOptions, UserConfig, of_jump, resolve
from fleetsched.transport.ssh_session import OPEN_S, Session, Shown, open_session
from fleetsched.transport.sudo import STDERR_TAIL, password_line, sudo_error, through_sudo

_READ = 65_536
_END_S = 10.0  # how long a command's exit status may come after its output has ended

# paramiko logs what it also raises; without a handler Python would print it.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A host's key as it was shown before any login, and how the host is reached."""

    options: SshOptions
    shown: Shown


class SshTransport(Transport):
    """Connects to hosts over SSH. Threads may share it; files with host keys are read once for all.

    Raises:
        InputError: the user's SSH configuration cannot be read.
    """

    def __init__(self, defaults: SshDefaults | None = None, become_password: str = "") -> None:
        self._defaults = defaults or SshDefaults()
        self._become_password = become_password
        self._config = UserConfig(self._defaults.config_file)
        self._known_hosts = KnownHosts()

    def connect(self, host: Host) -> Connection:
        """Connect and log in, through the jump hosts where there are some."""
        with self._on_the_way(host) as (options, link, sessions):
            sessions.append(open_session(link, options, self._known_hosts, on_the_way=False))
            return SshConnection(sessions, self._become_password)

    def host_key(self, host: Host) -> ShownKey:
        """Ask a host for its key, without logging in there.

        Raises:
            UnreachableError, HostKeyError: as `connect`; a key error is then of a jump host.
        """
        with self._on_the_way(host) as (options, link, sessions), contextlib.ExitStack() as undo:
            undo.callback(_close_all, sessions)
            undo.callback(link.close)
            session = Session(link, options)
            undo.callback(session.close)
            return ShownKey(options, session.shake_hands(self._known_hosts))

    def resolve(self, host: Host) -> SshOptions:
        """Find out how a host is reached, without reaching it.

        Raises:
            HostError: something that is said about it cannot be used.
        """
        return resolve(host, self._config, self._defaults)

    @contextlib.contextmanager
    def _on_the_way(self, host: Host) -> Iterator[tuple[SshOptions, Link, list[Session]]]:
        """Log in to the jump hosts; gives the link to the host behind them. Errors close everything."""
        options = self.resolve(host)
        sessions: list[Session] = []
        try:
            for jump in options.jumps:
                step = self.resolve(of_jump(jump, host))
                if step.jumps or step.proxy_command:
                    raise HostError(f"{host.name}: the jump host {jump.address} needs a jump host itself")
                link = sessions[-1].tunnel(step) if sessions else open_link(step)
                sessions.append(open_session(link, step, self._known_hosts, on_the_way=True))
            yield options, sessions[-1].tunnel(options) if sessions else open_link(options), sessions
        except BaseException:
            _close_all(sessions)
            raise


class SshConnection(Connection):
    """A session with a host, and those with the hosts on the way to it."""

    def __init__(self, sessions: list[Session], become_password: str = "") -> None:
        self._sessions = sessions
        self._become_password = become_password
        self._options = sessions[-1].options

    def open(self, command: Sequence[str]) -> Channel:
        """Start a command on a channel of its own."""
        return SshChannel(self._start(command), self._options)

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> Completed:
        """Start a command, feed it, and wait for its end."""
        deadline = time.monotonic() + timeout_s
        channel = self._start(command)
        stderr: list[bytes] = []
        # All three streams share the channel's window, so each needs its own reader or writer.
        threads = [
            threading.Thread(target=_feed, args=(channel, stdin), daemon=True),
            threading.Thread(target=_read_all, args=(channel.recv_stderr, stderr), daemon=True),
        ]
        for thread in threads:
            thread.start()
        stdout: list[bytes] = []
        try:
            channel.settimeout(timeout_s)
            _read_all(channel.recv, stdout, lambda: channel.settimeout(_left(deadline)))
            ended = channel.status_event.wait(max(_left(deadline), _END_S))
        except TimeoutError as error:
            raise TimeoutError(
                f"{self._options.host}: `{command[0]}` took longer than {timeout_s:g} s"
            ) from error
        finally:
            channel.close()
            for thread in threads:
                thread.join(_END_S)
        session = self._sessions[-1]
        if not ended or (channel.exit_status < 0 and not session.transport.is_active()):
            why = f": {said}" if (said := session.farewell()) else ""
            message = f"{self._options.host}: the connection was lost while `{command[0]}` ran{why}"
            raise UnreachableError(message)
        return self._completed(Completed(channel.exit_status, b"".join(stdout), b"".join(stderr)))

    def close(self) -> None:
        """Close all of it; no thread is left."""
        _close_all(self._sessions)

    def _start(self, command: Sequence[str]) -> paramiko.Channel:
        if not self._sessions:
            raise UnreachableError(f"{self._options.host}: the connection is closed")
        session = self._sessions[-1]
        channel = session.open(lambda: session.transport.open_session(timeout=OPEN_S))
        become, password = self._options.become, self._become_password
        arguments = through_sudo(command, password=bool(password)) if become else command
        # paramiko waits for ever for the answer to `exec`; closing the channel ends that wait.
        overdue = threading.Timer(OPEN_S, channel.close)
        overdue.start()
        try:
            channel.exec_command(shlex.join(arguments))
            if become and password:
                channel.sendall(password_line(password))
        except (paramiko.SSHException, EOFError, OSError) as error:
            channel.close()
            message = f"{self._options.host} does not start commands: {error or 'the connection was lost'}"
            raise UnreachableError(message) from error
        finally:
            overdue.cancel()
            overdue.join()
        return channel

    def _completed(self, completed: Completed) -> Completed:
        if self._options.become and completed.exit_code and not completed.stdout:
            stderr = completed.stderr.decode("utf-8", "replace")
            refused = sudo_error(self._options.host, self._options.user, stderr)
            if refused:
                raise refused
        return completed


class SshChannel(Channel):
    """The standard streams of one command on a host."""

    def __init__(self, channel: paramiko.Channel, options: SshOptions) -> None:
        self._channel = channel
        self._options = options
        self._tail = b""
        self._silent = True  # nothing was received so far

    def send(self, data: bytes) -> None:
        """Write all of `data`."""
        self._channel.settimeout(SEND_TIMEOUT_S)
        try:
            self._channel.sendall(data)
        except TimeoutError:
            raise
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise UnreachableError(f"{self._options.host}: the connection was lost") from error

    def receive(self, timeout_s: float) -> bytes:
        """Read what there is; standard error is read along, so that it never fills the channel's window."""
        self._channel.settimeout(timeout_s)
        try:
            data = self._channel.recv(_READ)
        finally:
            self._read_stderr()
        if not data and self._silent and self._options.become:
            refused = sudo_error(self._options.host, self._options.user, self.stderr_tail())
            if refused:
                raise refused
        self._silent = False
        return data

    def stderr_tail(self) -> str:
        """Return the end of what it wrote to standard error."""
        self._read_stderr()
        return self._tail.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Close it; the command sees the end of its input."""
        self._channel.close()

    def _read_stderr(self) -> None:
        while self._channel.recv_stderr_ready():
            data = self._channel.recv_stderr(_READ)
            if not data:
                return
            self._tail = (self._tail + data)[-STDERR_TAIL:]


def _close_all(sessions: list[Session]) -> None:
    while sessions:
        sessions.pop().close()


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


def _feed(channel: paramiko.Channel, data: bytes) -> None:
    """Write a command's whole input. A command that ends without reading it says why by its exit code."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        channel.sendall(data)
        channel.shutdown_write()


def _read_all(
    receive: Callable[[int], bytes], into: list[bytes], before: Callable[[], None] = lambda: None
) -> None:
    """Read one of a command's outputs to its end."""
    while data := receive(_READ):
        into.append(data)
        before()
