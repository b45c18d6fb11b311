# SPDX-License-Identifier: Apache-2.0
"""Commands inside a machine without a network, by the agent guest/machine-agent.pl on a virtio-serial port.

Neither end polls. A connection lasts as long as its QEMU; after a restore there is a new one.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from fleetsched.errors import UnreachableError
from fleetsched.lab.monitor import connect_to
from fleetsched.lab.pace import Pace
from fleetsched.transport.interface import SEND_TIMEOUT_S, Channel, Completed, Connection

LINK_SOCKET = "link.sock"

_HEADER = struct.Struct(">IBI")
_PIECE = 65_536
_STDERR_TAIL = 4096


class _Kind(IntEnum):
    """What a frame says."""

    START = 1  # the command's words, divided by NUL
    INPUT = 2
    END_OF_INPUT = 3
    KILL = 4  # the command and its process group
    READY = 10  # once, when the agent has started
    OUTPUT = 11
    ERRORS = 12
    EXIT = 13  # its exit code; 128 and the number when a signal ended it
    LOST = 255  # never sent: the connection has ended


@dataclass(frozen=True, slots=True)
class _Frame:
    kind: _Kind
    data: bytes


class GuestLink(Connection):
    """The connection to the machine in `folder`.

    Args:
        folder: where QEMU has its sockets.
        name: of the machine, for messages.

    Raises:
        UnreachableError: QEMU does not run.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.pace = Pace()  # told when somebody waits for the machine; closed with the link
        self._streams: dict[int, queue.SimpleQueue[_Frame]] = {}
        self._numbers = itertools.count(1)
        self._sending = threading.Lock()
        self._ready = threading.Event()
        self._lost = False
        try:
            self._socket = connect_to(folder, LINK_SOCKET)
        except OSError as error:
            raise UnreachableError(f"{name}: the machine does not answer: {error.strerror}") from error
        seconds = struct.pack("ll", int(SEND_TIMEOUT_S), 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
        self._reader = threading.Thread(target=self._read, name=f"link of {name}", daemon=True)
        self._reader.start()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the agent of a machine that boots has started.

        Raises:
            UnreachableError: QEMU ended.
            TimeoutError: it did not start in time.
        """
        if not self._ready.wait(timeout_s):
            raise TimeoutError
        if self._lost:
            raise self._gone()

    def open(self, command: Sequence[str]) -> Channel:
        """Start a command as root."""
        number = next(self._numbers)
        frames: queue.SimpleQueue[_Frame] = queue.SimpleQueue()
        self._streams[number] = frames
        if self._lost:
            raise self._gone()
        self.send(number, _Kind.START, "\0".join(command).encode())
        return GuestChannel(self, number, frames)

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> Completed:
        """Start a command, feed it, and wait for its end; what takes too long is killed."""
        deadline = time.monotonic() + timeout_s
        channel = self.open(command)
        assert isinstance(channel, GuestChannel)
        with self.pace.awaited(), channel:
            channel.send(stdin)
            channel.end_input()
            return channel.wait(deadline)

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(SEND_TIMEOUT_S)
        self._socket.close()
        self.pace.close()

    def send(self, number: int, kind: _Kind, data: bytes = b"") -> None:
        """Send one frame. For channels."""
        with self.pace.awaited(), self._sending:
            try:
                self._socket.sendall(_HEADER.pack(number, kind, len(data)) + data)
            except BlockingIOError as error:
                # Part of the frame may be gone: nothing sensible could follow.
                self._socket.shutdown(socket.SHUT_RDWR)
                raise TimeoutError(f"{self.name}: the machine takes nothing") from error
            except OSError as error:
                raise self._gone() from error

    def forget(self, number: int) -> None:
        """Drop what a command still says. For channels."""
        self._streams.pop(number, None)

    def _gone(self) -> UnreachableError:
        return UnreachableError(f"{self.name}: the machine ended")

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while header := self._exactly(_HEADER.size):
                number, kind, length = _HEADER.unpack(header)
                data = self._exactly(length)
                if kind == _Kind.READY:
                    self._ready.set()
                elif frames := self._streams.get(number):
                    frames.put(_Frame(_Kind(kind), data))
        self._lost = True
        self._ready.set()
        for frames in list(self._streams.values()):
            frames.put(_Frame(_Kind.LOST, b""))

    def _exactly(self, count: int) -> bytes:
        """So many bytes; fewer at the end of the connection."""
        received = bytearray()
        while len(received) < count:
            more = self._socket.recv(min(_PIECE, count - len(received)))
            if not more:
                return b""
            received += more
        return bytes(received)


class GuestChannel(Channel):
    """The streams of one command in the machine."""

    def __init__(self, link: GuestLink, number: int, frames: queue.SimpleQueue[_Frame]) -> None:
        self._link = link
        self._number = number
        self._frames = frames
        self._tail = b""
        self._code: int | None = None
        self._closed = False

    def send(self, data: bytes) -> None:
        """Write all of `data`."""
        if self._code is not None:
            raise UnreachableError(f"{self._link.name}: the command has ended")
        for start in range(0, len(data), _PIECE):
            self._link.send(self._number, _Kind.INPUT, data[start : start + _PIECE])

    def end_input(self) -> None:
        """Close the command's standard input."""
        self._link.send(self._number, _Kind.END_OF_INPUT)

    def receive(self, timeout_s: float) -> bytes:
        """Read what there is."""
        deadline = time.monotonic() + timeout_s
        while self._code is None and not self._closed:
            frame = self._next(deadline)
            if frame.kind is _Kind.OUTPUT:
                return frame.data
            if frame.kind is _Kind.ERRORS:
                self._tail = (self._tail + frame.data)[-_STDERR_TAIL:]
        return b""

    def wait(self, deadline: float) -> Completed:
        """Collect what it says until it ends, at the latest at `deadline` by the monotonic clock."""
        said: dict[_Kind, list[bytes]] = {_Kind.OUTPUT: [], _Kind.ERRORS: []}
        while self._code is None:
            frame = self._next(deadline)
            if frame.kind in said:
                said[frame.kind].append(frame.data)
        return Completed(self._code, b"".join(said[_Kind.OUTPUT]), b"".join(said[_Kind.ERRORS]))

    def stderr_tail(self) -> str:
        """Return the end of what it wrote to standard error."""
        return self._tail.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Close its input and kill it, if it has not ended."""
        if self._closed:
            return
        self._closed = True
        self._link.forget(self._number)
        if self._code is None:
            with contextlib.suppress(UnreachableError, TimeoutError):
                self._link.send(self._number, _Kind.KILL)
            self._frames.put(_Frame(_Kind.LOST, b""))  # for a thread that waits in `receive`

    def _next(self, deadline: float) -> _Frame:
        try:
            frame = self._frames.get_nowait()
        except queue.Empty:
            frame = self._wait(deadline)
        if frame.kind is _Kind.EXIT:
            (self._code,) = struct.unpack(">I", frame.data)
        elif frame.kind is _Kind.LOST:
            self._code = -1
            if not self._closed:
                raise UnreachableError(f"{self._link.name}: the machine ended")
        return frame

    def _wait(self, deadline: float) -> _Frame:
        try:
            with self._link.pace.awaited():
                return self._frames.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None
