# SPDX-License-Identifier: Apache-2.0
"""The seam: what every way to reach a host can do.

A command is always a list of arguments and never text for a shell, so that nothing from an inventory can
become a command. Each wait has a bound; what takes longer raises TimeoutError, and what was lost raises
UnreachableError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from fleetsched.model.inventory import Host

SEND_TIMEOUT_S = 60.0
"""How long the other side may take to accept what is sent."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended. `exit_code` is -1 when a signal ended it."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class _Closing(ABC):
    """What is closed at the end of a `with` block."""

    @abstractmethod
    def close(self) -> None:
        """End it; safe to call twice and from another thread, which ends a waiting `receive`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Channel(_Closing):
    """The standard streams of one running command. One thread at a time may use it, except for `close`."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Write all of `data` to the command's standard input.

        Raises:
            TimeoutError: the command did not take it within a minute.
            UnreachableError: the command or the connection has ended.
        """

    @abstractmethod
    def receive(self, timeout_s: float) -> bytes:
        """Read what the command has written, at least one byte; empty at the end of its output.

        Raises:
            TimeoutError: nothing came within `timeout_s` seconds.
            BecomeError: the command never started, because sudo refused.
        """

    @abstractmethod
    def stderr_tail(self) -> str:
        """Return the last 4 KiB that the command has written to its standard error so far, stripped."""


class Connection(_Closing):
    """One open connection to one host. Threads may share it."""

    @abstractmethod
    def open(self, command: Sequence[str]) -> Channel:
        """Start a command, through sudo where the host needs it.

        Raises:
            UnreachableError: the connection is lost or the host does not start commands.
        """

    @abstractmethod
    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> Completed:
        """Start a command, feed it, and wait for its end; through sudo where the host needs it.

        Raises:
            TimeoutError: it had not ended after `timeout_s` seconds; it is abandoned, not killed.
            BecomeError: the command never started, because sudo refused.
            UnreachableError: the connection is lost.
        """


class Transport(ABC):
    """A way to reach hosts. Threads may share it."""

    @abstractmethod
    def connect(self, host: Host) -> Connection:
        """Open a connection and log in.

        Raises:
            UnreachableError: no answer, refused, name unknown, or no key was accepted.
            HostKeyError: the host's key is unknown, has changed or is revoked.
        """
