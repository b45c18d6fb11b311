# SPDX-License-Identifier: Apache-2.0
"""One request and its answer over a channel: framing, numbering, time limits, errors with the host's name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TypeVar

from fleetsched.errors import HelperError, LeaseHeldError, UnreachableError
from fleetsched.helper.wire import MAX_LINE, decode, encode
from fleetsched.transport.interface import Channel

_E = TypeVar("_E", UnreachableError, HelperError)

_EXCERPT = 200  # characters of a host's unreadable answer that a message shows


class Exchange:
    """Sends requests and reads answers on one channel, strictly one after the other.

    After a time-out or an unreadable answer nothing more can be trusted on the channel: every later call
    raises the same error.
    """

    def __init__(self, channel: Channel, host: str) -> None:
        self.host = host
        self._channel = channel
        self._buffer = bytearray()
        self._number = 0
        self._broken: UnreachableError | HelperError | None = None

    def close(self) -> None:
        """Close the channel. The host goes on as it is."""
        self._channel.close()

    def call(self, verb: str, arguments: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """Send a request and return its result.

        Raises:
            HelperError: the helper answered with an error (its code), or unreadably (`bad-answer`).
            UnreachableError: no answer in time, or the connection was lost.
        """
        self.ask(verb, arguments)
        return self.result(verb, timeout_s)

    def ask(self, verb: str, arguments: Mapping[str, Any]) -> None:
        """Send a request; its answers are read by `result` and `event_or_result`."""
        self._number += 1
        self.send(encode({"id": self._number, "verb": verb, **arguments}), verb)

    def send(self, data: bytes, verb: str) -> None:
        """Send bytes that belong to the request just made."""
        if self._broken:
            raise self._broken
        try:
            self._channel.send(data)
        except UnreachableError:
            pass  # what the other side said before it went explains more; reading the answer tells
        except TimeoutError as error:
            raise self._break(
                UnreachableError(f"{self.host} does not take the request `{verb}`: the connection is stuck")
            ) from error

    def result(self, verb: str, timeout_s: float) -> dict[str, Any]:
        """Read the answer of the request just made."""
        kind, value = self.event_or_result(verb, timeout_s)
        if kind != "result":
            raise self._bad(verb, f"an event that nobody asked for: {value}")
        return value

    def event_or_result(self, verb: str, timeout_s: float) -> tuple[str, dict[str, Any]]:
        """Read the next line of the request just made: ("event", value) or ("result", value)."""
        line = self._line(verb, timeout_s)
        try:
            answer = decode(line)
        except ValueError as error:
            raise self._bad(verb, line.decode("utf-8", "replace").strip()) from error
        if answer.get("ok") is False and answer.get("id") in (0, self._number):
            raise self._error(verb, answer)
        for kind in ("event", "result"):
            value = answer.get(kind)
            if isinstance(value, dict) and answer.get("id") == self._number:
                return kind, value
        raise self._bad(verb, line.decode("utf-8", "replace").strip())

    def unreadable(self, verb: str, value: object) -> HelperError:
        """Return the error for a value in an answer that lacks what the protocol promises."""
        return self._bad(verb, str(value))

    def abandon(self, verb: str) -> None:
        """Give up in the middle of an answer; the channel cannot be used any more."""
        self._break(
            UnreachableError(f"{self.host}: the connection cannot be used after `{verb}` was abandoned")
        )

    def _error(self, verb: str, answer: Mapping[str, Any]) -> HelperError | LeaseHeldError:
        error = answer.get("error")
        if not isinstance(error, dict) or not isinstance(error.get("code"), str):
            return self._bad(verb, str(answer))
        given = error.get("detail")
        detail: dict[str, Any] = given if isinstance(given, dict) else {}
        if error["code"] == "lease-held":
            return self._held(detail)
        return HelperError(
            f"{self.host}: {error.get('message') or error['code']}",
            code=error["code"],
            remedy=str(error.get("remedy") or ""),
            detail=detail,
        )

    def _held(self, detail: Mapping[str, Any]) -> LeaseHeldError:
        left_ms = detail.get("expires_in_ms")
        left = f" for another {left_ms / 1000:.0f} s" if isinstance(left_ms, int) else ""
        return LeaseHeldError(
            f"{self.host}: the lease is held by {detail.get('owner') or 'another run'}{left}",
            remedy="wait until that run has ended, or until its lease expires",
        )

    def _line(self, verb: str, timeout_s: float) -> bytes:
        """Read one line, newline included."""
        if self._broken:
            raise self._broken
        deadline = time.monotonic() + timeout_s
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            if len(self._buffer) >= MAX_LINE:
                raise self._bad(verb, f"a line of more than {MAX_LINE:,} bytes")
            searched = len(self._buffer)
            self._buffer += self._more(verb, timeout_s, deadline - time.monotonic())
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    def _more(self, verb: str, timeout_s: float, left_s: float) -> bytes:
        try:
            data = self._channel.receive(max(0.0, left_s))
        except TimeoutError as error:
            message = f"{self.host} did not answer `{verb}` within {timeout_s:g} s"
            raise self._break(UnreachableError(message + self._tail())) from error
        if not data:
            message = f"{self.host}: the connection ended before the answer to `{verb}`"
            raise self._break(
                UnreachableError(
                    message + self._tail(), remedy="what the host runs is unknown; look at it with `plan`"
                )
            )
        return data

    def _bad(self, verb: str, excerpt: str) -> HelperError:
        shown = excerpt[:_EXCERPT] or "an empty line"
        error = HelperError(
            f"{self.host}: unreadable answer to `{verb}`: {shown}{self._tail()}",
            code="bad-answer",
            remedy=f"does a start-up file of the login shell on {self.host} print text?",
        )
        self._break(error)
        return error

    def _break(self, error: _E) -> _E:
        self._broken = error
        return error

    def _tail(self) -> str:
        tail = self._channel.stderr_tail()
        return f" (it said: {tail.splitlines()[-1]})" if tail else ""
