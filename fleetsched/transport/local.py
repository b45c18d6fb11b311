# SPDX-License-Identifier: Apache-2.0
"""The controller itself as a managed host (`ansible_connection: local`): commands are started directly."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from getpass import getuser
from typing import IO

from fleetsched.errors import UnreachableError
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import SEND_TIMEOUT_S, Channel, Completed, Connection, Transport
from fleetsched.transport.sudo import STDERR_TAIL, password_line, sudo_error, through_sudo

_READ = 65_536
_END_S = 5.0  # how long a command may take to end after its input was closed, before it is killed


class LocalTransport(Transport):
    """Starts commands on this machine; a password is for sudo."""

    def __init__(self, become_password: str = "") -> None:
        self._become_password = become_password

    def connect(self, host: Host) -> Connection:
        """Return a connection; there is nothing to connect to."""
        become = host.become if host.become is not None else os.geteuid() != 0
        return LocalConnection(host.name, become=become, become_password=self._become_password)


class LocalConnection(Connection):
    """Starts commands on this machine, through sudo when told so."""

    def __init__(self, name: str, *, become: bool, become_password: str = "") -> None:
        self._name = name
        self._become = become
        self._become_password = become_password
        self._channels: list[LocalChannel] = []

    def open(self, command: Sequence[str]) -> Channel:
        """Start a command."""
        channel = LocalChannel(self._name, self._start(command), become=self._become)
        self._channels.append(channel)
        return channel

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> Completed:
        """Start a command, feed it, and wait for its end."""
        process = self._start(command)
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            _end(process, 0.0)
            for stream in (process.stdin, process.stdout, process.stderr):
                _pipe(stream).close()
            raise TimeoutError(f"{self._name}: `{command[0]}` took longer than {timeout_s:g} s") from error
        if self._become and process.returncode and not stdout:
            refused = sudo_error(self._name, getuser(), stderr.decode("utf-8", "replace"))
            if refused:
                raise refused
        return Completed(max(-1, process.returncode), stdout, stderr)

    def close(self) -> None:
        """End every command that is still running."""
        while self._channels:
            self._channels.pop().close()

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        password = self._become_password if self._become else ""
        arguments = through_sudo(command, password=bool(password)) if self._become else [*command]
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # Ctrl-C at the controller is not for the command
            )
        except OSError as error:
            message = f"{self._name}: {arguments[0]} cannot be started here: {error.strerror}"
            raise UnreachableError(message) from error
        if password:
            _pipe(process.stdin).write(password_line(password))
        return process


class LocalChannel(Channel):
    """The standard streams of one process."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], *, become: bool) -> None:
        self._name = name
        self._become = become
        self._process = process
        self._stdin, self._stdout, self._stderr = (
            _pipe(process.stdin),
            _pipe(process.stdout),
            _pipe(process.stderr),
        )
        self._tail = b""
        self._silent = True  # nothing was received so far
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)
        os.set_blocking(self._stdin.fileno(), False)

    def send(self, data: bytes) -> None:
        """Write all of `data`."""
        deadline = time.monotonic() + SEND_TIMEOUT_S
        with selectors.DefaultSelector() as writable:
            writable.register(self._stdin, selectors.EVENT_WRITE)
            rest = memoryview(data)
            while rest:
                if not writable.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                try:
                    rest = rest[os.write(self._stdin.fileno(), rest) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise UnreachableError(f"{self._name}: the command has ended") from error

    def receive(self, timeout_s: float) -> bytes:
        """Read what there is; standard error is read along, so that it never fills up."""
        deadline = time.monotonic() + timeout_s
        while True:
            ready = {key.fileobj for key, _ in self._selector.select(max(0.0, deadline - time.monotonic()))}
            if self._stderr in ready:
                self._read_stderr()
            if self._stdout in ready:
                data = os.read(self._stdout.fileno(), _READ)
                if not data:
                    self._at_end()
                self._silent = False
                return data
            if time.monotonic() >= deadline:
                raise TimeoutError

    def stderr_tail(self) -> str:
        """Return the end of what it wrote to standard error."""
        return self._tail.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Close its input, and end it when that does not."""
        if self._stdin.closed:
            return
        self._stdin.close()
        _end(self._process, _END_S)
        self._selector.close()
        self._stdout.close()
        self._stderr.close()

    def _at_end(self) -> None:
        """Read the rest of standard error; raise when sudo is why there was no output."""
        deadline = time.monotonic() + _END_S
        while self._stderr in (key.fileobj for key in self._selector.get_map().values()):
            if time.monotonic() >= deadline:
                break
            if self._selector.select(0.1):
                self._read_stderr()
        refused = sudo_error(self._name, getuser(), self.stderr_tail())
        if self._become and self._silent and refused:
            raise refused

    def _read_stderr(self) -> None:
        data = os.read(self._stderr.fileno(), _READ)
        if data:
            self._tail = (self._tail + data)[-STDERR_TAIL:]
        else:
            self._selector.unregister(self._stderr)


def _end(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """Wait for a process, then kill it and all that it started."""
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # what sudo started is not ours to kill
            process.wait(_END_S)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "every stream was asked for"
    return stream
