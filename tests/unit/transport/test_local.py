# SPDX-License-Identifier: Apache-2.0
"""The controller itself as a host: real processes, no network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetsched.errors import UnreachableError
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Completed, Connection
from fleetsched.transport.local import LocalTransport


@pytest.fixture
def connection() -> Iterator[Connection]:
    with LocalTransport().connect(Host("here", "localhost", connection="local", become=False)) as connection:
        yield connection


def test_a_command_gives_its_exit_code_and_both_outputs(connection: Connection) -> None:
    command = ["sh", "-c", "cat; echo err >&2; exit 7"]
    assert connection.run(command, stdin=b"in", timeout_s=30) == Completed(7, b"in", b"err\n")


def test_a_command_ended_by_a_signal_has_the_exit_code_minus_one(connection: Connection) -> None:
    assert connection.run(["sh", "-c", "kill -9 $$"], timeout_s=30).exit_code == -1


def test_a_command_that_takes_too_long_is_ended(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match=r"^here: `sh` took longer than 0.2 s$"):
        connection.run(["sh", "-c", f"sleep 2; touch {tmp_path}/late"], timeout_s=0.2)


def test_a_command_that_does_not_exist_is_named(connection: Connection) -> None:
    with pytest.raises(
        UnreachableError, match=r"^here: no-such-program cannot be started here: No such file"
    ):
        connection.run(["no-such-program"], timeout_s=1)


def test_a_channel_carries_bytes_both_ways_until_its_end(connection: Connection) -> None:
    with connection.open(["sh", "-c", "read line; echo got $line; echo why >&2"]) as channel:
        with pytest.raises(TimeoutError):
            channel.receive(0.05)
        channel.send(b"hello\n")
        assert channel.receive(30) == b"got hello\n"
        assert channel.receive(30) == b""
        assert channel.stderr_tail() == "why"


def test_more_than_a_pipe_holds_can_be_sent(connection: Connection) -> None:
    data = b"x" * 1_000_000
    with connection.open(["cat"]) as channel:
        sender = threading.Thread(target=channel.send, args=(data,))
        sender.start()
        received = b""
        while len(received) < len(data):
            received += channel.receive(30)
        sender.join(30)
    assert received == data


def test_sending_to_a_command_that_has_ended_is_an_error(connection: Connection) -> None:
    with connection.open(["true"]) as channel:
        assert channel.receive(30) == b""
        with pytest.raises(UnreachableError, match=r"^here: the command has ended$"):
            channel.send(b"x" * 1_000_000)


def test_closing_ends_what_still_runs(connection: Connection) -> None:
    channel = connection.open(["sh", "-c", "echo $$; exec cat"])
    process = Path("/proc") / channel.receive(30).decode().strip()
    assert process.exists()
    connection.close()
    assert not process.exists()
