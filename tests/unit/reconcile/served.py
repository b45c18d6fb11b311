# SPDX-License-Identifier: Apache-2.0
"""Simulated hosts for another process: served on a socket, and the way to them in that process.

`python -m tests.unit.reconcile.served SOCKET COMMAND ...` is `fleetsched` itself, but for the way to hosts.
"""

from __future__ import annotations

import socketserver
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Client
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

from fleetsched.errors import HostError
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Channel, Completed, Connection, Transport


class ServedHosts:
    """Lets other processes reach simulated hosts of this one, until it is closed.

    Args:
        socket: where; it must not be there yet.
        hosts: by name.
        seen: called with the name of a host and the bytes that are being sent to its helper.
    """

    def __init__(
        self, socket: Path, hosts: Mapping[str, SimulatedHost], seen: Callable[[str, bytes], None]
    ) -> None:
        self._transport = SimulatedTransport(hosts)
        self._seen = seen
        self._socket = socket
        serve = self._serve

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                serve(Pipe(self.request.detach()))

        self._server = socketserver.ThreadingUnixStreamServer(str(socket), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def _serve(self, pipe: Pipe[Any, Any]) -> None:
        """One connection: its client sends (what, arguments), and gets (worked, result)."""
        channels: list[Channel] = []
        with pipe:
            try:
                host: Host = pipe.recv()
                connection = self._connect(pipe, host)
                while connection:
                    what, *arguments = pipe.recv()
                    if what == "open":
                        channels.append(connection.open(*arguments))
                        pipe.send((True, len(channels) - 1))
                    elif what == "run":
                        _answer(
                            pipe,
                            partial(connection.run, arguments[0], stdin=arguments[1], timeout_s=arguments[2]),
                        )
                    else:
                        number, *rest = arguments
                        if what == "send":
                            self._seen(host.name, rest[0])
                        _answer(pipe, partial(getattr(channels[number], what), *rest))
            except (EOFError, ConnectionError):
                for channel in channels:
                    channel.close()

    def _connect(self, pipe: Pipe[Any, Any], host: Host) -> Connection | None:
        try:
            connection = self._transport.connect(host)
        except HostError as error:
            pipe.send((False, error))
            return None
        pipe.send((True, None))
        return connection

    def close(self) -> None:
        """Take nobody new, and wait for who is here: their processes have ended.

        A thread left in accept() takes a later server's connections as soon as it is stopped and continued:
        the kernel begins the call anew, by a number that another socket has by then.
        """
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._socket.unlink()


def _answer(pipe: Pipe[Any, Any], work: Callable[[], object]) -> None:
    try:
        result = work()
    except Exception as error:
        pipe.send((False, error))
        return
    pipe.send((True, result))


class ServedTransport(Transport):
    """The way to served hosts."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    def connect(self, host: Host) -> Connection:
        pipe = Client(self._socket, "AF_UNIX")
        _Remote(pipe).greet(host)
        return _ServedConnection(_Remote(pipe))


class _Remote:
    """One pipe that threads take turns at."""

    def __init__(self, pipe: Pipe[Any, Any]) -> None:
        self.pipe = pipe
        self._lock = threading.Lock()

    def greet(self, host: Host) -> None:
        self._ask(host)

    def call(self, *request: Any) -> Any:
        return self._ask(request)

    def _ask(self, request: Any) -> Any:
        with self._lock:
            self.pipe.send(request)
            worked, result = self.pipe.recv()
        if not worked:
            raise result
        return result


class _ServedConnection(Connection):
    def __init__(self, remote: _Remote) -> None:
        self._remote = remote

    def open(self, command: Sequence[str]) -> Channel:
        return _ServedChannel(self._remote, self._remote.call("open", tuple(command)))

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> Completed:
        completed: Completed = self._remote.call("run", tuple(command), stdin, timeout_s)
        return completed

    def close(self) -> None:
        self._remote.pipe.close()


class _ServedChannel(Channel):
    def __init__(self, remote: _Remote, number: int) -> None:
        self._remote = remote
        self._number = number

    def send(self, data: bytes) -> None:
        self._remote.call("send", self._number, data)

    def receive(self, timeout_s: float) -> bytes:
        data: bytes = self._remote.call("receive", self._number, timeout_s)
        return data

    def stderr_tail(self) -> str:
        tail: str = self._remote.call("stderr_tail", self._number)
        return tail

    def close(self) -> None:
        if not self._remote.pipe.closed:
            self._remote.call("close", self._number)


def main(socket: str, arguments: list[str]) -> int:
    """Run a command of `fleetsched`, reaching hosts by the socket."""
    from fleetsched.cli.main import main as fleetsched
    from fleetsched.operations import fleet
    from fleetsched.transport import by_host
    from tests.unit.rollout.test_engine import HELPER

    by_host.ByHostTransport.connect = lambda _, host: ServedTransport(socket).connect(host)  # type: ignore[method-assign]
    fleet._helper_files = lambda arch: HELPER  # type: ignore[assignment]
    return fleetsched(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
