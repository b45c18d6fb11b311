# SPDX-License-Identifier: Apache-2.0
"""The controller's end of the link. The agent at the other end is a thread here, and real in tests/real."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetsched.errors import UnreachableError
from fleetsched.lab.link import LINK_SOCKET, GuestLink
from fleetsched.transport.interface import Completed

START, INPUT, END_OF_INPUT, KILL, READY, OUTPUT, ERRORS, EXIT = 1, 2, 3, 4, 10, 11, 12, 13
HEADER = struct.Struct(">IBI")

Frame = tuple[int, int, bytes]
Answer = Callable[[int, int, bytes], list[Frame] | None]


@contextmanager
def agent(folder: Path, answer: Answer) -> Iterator[tuple[GuestLink, list[Frame]]]:
    """A link to an agent that answers each frame with frames, and ends when `answer` gives None.

    Yields the link and the frames that came.
    """
    came: list[Frame] = []

    def exactly(connection: socket.socket, count: int) -> bytes:
        return connection.recv(count, socket.MSG_WAITALL) if count else b""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(HEADER.pack(0, READY, 0))
            while header := exactly(connection, HEADER.size):
                number, kind, length = HEADER.unpack(header)
                came.append((number, kind, exactly(connection, length)))
                frames = answer(*came[-1])
                if frames is None:
                    return
                for stream, said, data in frames:
                    connection.sendall(HEADER.pack(stream, said, len(data)) + data)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / LINK_SOCKET))
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        with GuestLink(folder, "machine") as link:
            link.wait_until_ready(30)
            yield link, came
        thread.join(30)
    assert not thread.is_alive()


def code(number: int) -> bytes:
    return struct.pack(">I", number)


def test_command_is_started_fed_and_heard_to_its_end(tmp_path: Path) -> None:
    def answer(number: int, kind: int, data: bytes) -> list[Frame] | None:
        if kind != END_OF_INPUT:
            return []
        other = (number + 1, OUTPUT, b"of a command that nobody waits for")
        return [
            other,
            (number, OUTPUT, b"o"),
            (number, ERRORS, b"e"),
            (number, OUTPUT, b"k"),
            (number, EXIT, code(3)),
        ]

    with agent(tmp_path, answer) as (link, came):
        assert link.run(["sh", "-c", "x y"], stdin=b"in", timeout_s=30) == Completed(3, b"ok", b"e")
    assert came == [(1, START, b"sh\0-c\0x y"), (1, INPUT, b"in"), (1, END_OF_INPUT, b"")]


def test_command_that_takes_too_long_is_killed_and_the_link_stays_usable(tmp_path: Path) -> None:
    def answer(number: int, kind: int, data: bytes) -> list[Frame] | None:
        if number == 2 and kind == END_OF_INPUT:
            return [(1, EXIT, code(137)), (2, EXIT, code(0))]
        return []

    with agent(tmp_path, answer) as (link, came):
        with pytest.raises(TimeoutError):
            link.run(["sleep"], timeout_s=0.01)
        assert link.run(["true"], timeout_s=30).exit_code == 0
    assert (1, KILL, b"") in came


def test_open_channel_carries_bytes_both_ways_and_is_killed_when_closed(tmp_path: Path) -> None:
    def answer(number: int, kind: int, data: bytes) -> list[Frame]:
        return [(number, OUTPUT, data)] if kind == INPUT else []

    with agent(tmp_path, answer) as (link, came), link.open(["cat"]) as channel:
        channel.send(b"there and back")
        assert channel.receive(30) == b"there and back"
        with pytest.raises(TimeoutError):
            channel.receive(0.01)
    assert came[-1] == (1, KILL, b"")


def test_output_ends_with_the_command_and_its_complaints_are_kept(tmp_path: Path) -> None:
    with (
        agent(tmp_path, lambda number, kind, data: [(number, ERRORS, b"no\n"), (number, EXIT, code(1))]) as (
            link,
            _,
        ),
        link.open(["false"]) as channel,
    ):
        assert channel.receive(30) == b""
        assert channel.stderr_tail() == "no"


def test_end_of_the_machine_is_told_to_whoever_waits_and_to_whoever_comes(tmp_path: Path) -> None:
    with agent(tmp_path, lambda number, kind, data: None) as (link, _):
        for _ in range(2):
            with pytest.raises(UnreachableError, match="machine: the machine ended"):
                link.run(["true"], timeout_s=30)


def test_machine_that_does_not_run_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="machine: the machine does not answer: No such file"):
        GuestLink(tmp_path, "machine")
