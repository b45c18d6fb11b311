# SPDX-License-Identifier: Apache-2.0
"""Talking to QEMU (its monitor) and into a guest (qemu-guest-agent): JSON lines on unix sockets.

The guest agent needs no network and no SSH key, so it can give a new host the keys that SSH will trust.
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fleetsched.errors import LabError

QMP_SOCKET = "qmp.sock"
AGENT_SOCKET = "agent.sock"
CONSOLE_LOG = "console.log"

_DELIMITER = b"\xff"  # the agent starts its answer to guest-sync-delimited with it
_POLL_S = 0.1
_LAST_LINES = 8
_PANIC = "Kernel panic - "
# Colours and cursor movements of terminals, and bare control characters.
_CONTROL = re.compile(r"\x1b\[[0-9;?!]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def last_words(folder: Path, most: int = _LAST_LINES) -> str:
    """The last lines of a machine's console, for messages: the file itself may go with the machine."""
    log = folder / CONSOLE_LOG
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = [line.strip() for line in _CONTROL.sub("", text).splitlines() if line.strip()]
    # Beneath its reason, a panic has pages of registers.
    panic = next((number for number, line in enumerate(lines, 1) if _PANIC in line), len(lines))
    lines = lines[:panic]
    return "\n  ".join(["The end of its console:", *lines[-most:]]) if lines else "Its console says nothing."


def connect_to(folder: Path, name: str, *, timeout_s: float | None = None) -> socket.socket:
    """Connect to the socket `name` in a machine's folder.

    Args:
        folder: the machine's; it is not part of the address, which takes 107 bytes at most.
        name: the socket's.
        timeout_s: of this and of all that is done with it; None = it waits for as long as it takes.

    Raises:
        OSError: nobody listens there.
    """
    directory = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{name}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(directory)
    return connection


class MachineEndedError(LabError):
    """QEMU hung up."""


class _Channel:
    """JSON lines on the socket `name` in a machine's folder."""

    def __init__(self, folder: Path, name: str, *, timeout_s: float) -> None:
        self._folder = folder
        self._buffer = b""
        try:
            self._socket = connect_to(folder, name, timeout_s=timeout_s)
        except OSError as error:
            raise LabError(f"{folder.name}: the machine does not answer: {error.strerror}") from error
        try:
            self._greet(timeout_s)
        except BaseException:
            self._socket.close()
            raise

    def _greet(self, timeout_s: float) -> None:
        """Come to where questions are answered."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _send(self, execute: str, arguments: dict[str, Any], *, before: bytes = b"") -> None:
        message = {"execute": execute, **({"arguments": arguments} if arguments else {})}
        try:
            self._socket.sendall(before + json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise self._gone() from error

    def _receive(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message, or None when none came in time."""
        end = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            remaining = end - time.monotonic()
            if remaining <= 0:
                return None
            self._socket.settimeout(remaining)
            try:
                received = self._socket.recv(65536)
            except TimeoutError:
                return None
            except OSError as error:
                raise self._gone() from error
            if not received:
                raise self._gone()
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line.rpartition(_DELIMITER)[2])
        return message

    def _gone(self) -> MachineEndedError:
        return MachineEndedError(f"{self._folder.name}: the machine ended", remedy=last_words(self._folder))

    def _result(self, execute: str, timeout_s: float) -> Any:
        end = time.monotonic() + timeout_s
        while (message := self._receive(end - time.monotonic())) is not None:
            if "error" in message:
                raise LabError(
                    f"{self._folder.name}: {execute}: {message['error'].get('desc', message['error'])}"
                )
            if "return" in message:
                return message["return"]
        raise LabError(f"{self._folder.name}: no answer to {execute} in {timeout_s:.0f} s")


class Monitor(_Channel):
    """QEMU's own monitor."""

    def __init__(self, folder: Path, *, timeout_s: float = 30.0) -> None:
        super().__init__(folder, QMP_SOCKET, timeout_s=timeout_s)

    def _greet(self, timeout_s: float) -> None:
        self._receive(timeout_s)
        self.command("qmp_capabilities")

    def command(self, execute: str, *, timeout_s: float = 30.0, **arguments: Any) -> Any:
        """Give one command and return what it returns; events that come first are dropped.

        Raises:
            LabError: QEMU refused, ended, or did not answer in `timeout_s` seconds.
        """
        self._send(execute, arguments)
        return self._result(execute, timeout_s)

    def quit(self, *, timeout_s: float = 30.0) -> None:
        """Tell QEMU to end, and listen until it hangs up: it drops what a closed connection has said."""
        self._send("quit", {})
        try:
            while self._receive(timeout_s) is not None:
                pass
        except MachineEndedError:
            return
        raise LabError(f"{self._folder.name}: does not end when told to")

    def wait_for(self, query: str, wanted: str, failed: str, *, timeout_s: float) -> None:
        """Ask until the status is `wanted`.

        Raises:
            LabError: the status became `failed`, or nothing of the kind happened in `timeout_s` seconds.
        """
        end = time.monotonic() + timeout_s
        while (status := self.command(query).get("status")) != wanted:
            if status == failed or time.monotonic() > end:
                raise LabError(f"{self._folder.name}: {query} says {status}, expected {wanted}")
            time.sleep(_POLL_S)


class GuestAgent(_Channel):
    """The agent inside a guest; it runs as root there."""

    def __init__(self, folder: Path, *, timeout_s: float) -> None:
        super().__init__(folder, AGENT_SOCKET, timeout_s=timeout_s)

    def _greet(self, timeout_s: float) -> None:
        """Wait until the agent answers, and drop what it said to an earlier caller."""
        end = time.monotonic() + timeout_s
        number = 0
        while time.monotonic() < end:
            number += 1
            self._send("guest-sync-delimited", {"id": number}, before=_DELIMITER)
            while (message := self._receive(2.0)) is not None:
                if message.get("return") == number:
                    return
        raise LabError(
            f"{self._folder.name}: no sign of life from inside the guest in {timeout_s:.0f} s",
            remedy=last_words(self._folder),
        )

    def clock_ns(self) -> int:
        """The guest's wall clock, in nanoseconds since 1970."""
        self._send("guest-get-time", {})
        return int(self._result("guest-get-time", 30.0))

    def run(self, script: str, *, timeout_s: float) -> str:
        """Run a shell script as root.

        Returns:
            Its standard output.

        Raises:
            LabError: it failed, with its last words, or took more than `timeout_s` seconds.
        """
        encoded = base64.b64encode(script.encode()).decode()
        self._send(
            "guest-exec",
            {"path": "/bin/sh", "arg": ["-eu"], "input-data": encoded, "capture-output": True},
        )
        pid = self._result("guest-exec", 30.0)["pid"]
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            self._send("guest-exec-status", {"pid": pid})
            status = self._result("guest-exec-status", 30.0)
            if status["exited"]:
                out, err = (
                    base64.b64decode(status.get(key, "")).decode(errors="replace")
                    for key in ("out-data", "err-data")
                )
                if status.get("exitcode") != 0:
                    raise LabError(
                        f"{self._folder.name}: readying the guest failed: {err.strip() or out.strip()}"
                    )
                return out
            time.sleep(_POLL_S)
        raise LabError(f"{self._folder.name}: readying the guest took more than {timeout_s:.0f} s")
