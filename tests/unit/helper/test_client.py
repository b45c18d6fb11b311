# SPDX-License-Identifier: Apache-2.0
"""The controller's end of the protocol against a host that says whatever a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fleetsched.errors import FleetschedError, HelperError, LeaseHeldError, UnreachableError
from fleetsched.helper.client import HelperClient, Lease, WatchEnd
from fleetsched.helper.session import RPC_COMMAND
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.inventory import Host
from fleetsched.transport.interface import Channel


class ScriptedChannel(Channel):
    """Says its answers one a read; then raises, or is at its end."""

    def __init__(self, *answers: bytes, then: Exception | None = None, stderr: str = "") -> None:
        self.sent = b""
        self.closed = False
        self._answers = list(answers)
        self._then = then
        self._stderr = stderr

    def send(self, data: bytes) -> None:
        self.sent += data

    def receive(self, timeout_s: float) -> bytes:
        if self._answers:
            return self._answers.pop(0)
        if self._then:
            raise self._then
        return b""

    def stderr_tail(self) -> str:
        return self._stderr

    def close(self) -> None:
        self.closed = True


def answer(number: int, **rest: Any) -> bytes:
    return json.dumps({"id": number, **rest}).encode() + b"\n"


def lease_answer(number: int = 1, token: int = 7) -> bytes:
    return answer(number, ok=True, result={"token": token, "expires_in_ms": 1000})


def refusal(code: str, message: str = "no", **rest: Any) -> bytes:
    return answer(1, ok=False, error={"code": code, "message": message, **rest})


def test_requests_are_numbered_and_leave_out_what_is_not_given() -> None:
    channel = ScriptedChannel(lease_answer(1), lease_answer(2))
    client = HelperClient(channel, "web-1")
    assert client.lease("anna", 1.5) == Lease(7, 1000)
    assert client.lease("anna", 60, token=7) == Lease(7, 1000)
    assert [json.loads(line) for line in channel.sent.splitlines()] == [
        {"id": 1, "verb": "lease", "owner": "anna", "ttl_ms": 1500},
        {"id": 2, "verb": "lease", "owner": "anna", "ttl_ms": 60000, "token": 7},
    ]


def test_an_answer_may_come_in_pieces() -> None:
    text = lease_answer()
    client = HelperClient(ScriptedChannel(text[:10], text[10:30], text[30:]), "web-1")
    assert client.lease("anna", 1) == Lease(7, 1000)


@pytest.mark.parametrize(
    ("channel", "kind", "message"),
    [
        (
            ScriptedChannel(refusal("not-staged", "the object is not here", remedy="stage it")),
            HelperError,
            "web-1: the object is not here\n  stage it",
        ),
        (
            ScriptedChannel(refusal("lease-held", detail={"owner": "ben, run 7", "expires_in_ms": 61_000})),
            LeaseHeldError,
            "web-1: the lease is held by ben, run 7 for another 61 s\n"
            "  wait until that run has ended, or until its lease expires",
        ),
        (
            ScriptedChannel(answer(0, ok=False, error={"code": "no-service", "message": "it does not run"})),
            HelperError,
            "web-1: it does not run",
        ),
        (
            ScriptedChannel(b"Welcome to web-1!\n"),
            HelperError,
            "web-1: unreadable answer to `lease`: Welcome to web-1!\n"
            "  does a start-up file of the login shell on web-1 print text?",
        ),
        (
            ScriptedChannel(lease_answer(number=5)),
            HelperError,
            'web-1: unreadable answer to `lease`: {"id": 5, "ok": true, "result": {"token": 7, '
            '"expires_in_ms": 1000}}\n  does a start-up file of the login shell on web-1 print text?',
        ),
        (
            ScriptedChannel(answer(1, ok=True, result={"token": 7})),
            HelperError,
            "web-1: unreadable answer to `lease`: KeyError('expires_in_ms') in {'token': 7}\n"
            "  does a start-up file of the login shell on web-1 print text?",
        ),
        (
            ScriptedChannel(b"x" * 65_536),
            HelperError,
            "web-1: unreadable answer to `lease`: a line of more than 65,536 bytes\n"
            "  does a start-up file of the login shell on web-1 print text?",
        ),
        (
            ScriptedChannel(stderr="bash: nothing\nkilled"),
            UnreachableError,
            "web-1: the connection ended before the answer to `lease` (it said: killed)\n"
            "  what the host runs is unknown; look at it with `plan`",
        ),
        (
            ScriptedChannel(then=TimeoutError()),
            UnreachableError,
            "web-1 did not answer `lease` within 30 s",
        ),
    ],
)
def test_what_a_person_reads(channel: Channel, kind: type[FleetschedError], message: str) -> None:
    with pytest.raises(kind) as raised:
        HelperClient(channel, "web-1").lease("anna", 1)
    assert str(raised.value) == message


def test_a_refusal_carries_its_code_and_detail() -> None:
    client = HelperClient(ScriptedChannel(refusal("held", detail={"why": "it stalled"})), "web-1")
    with pytest.raises(HelperError) as raised:
        client.stop("test")
    assert (raised.value.code, raised.value.detail) == ("held", {"why": "it stalled"})


@pytest.mark.parametrize(
    "first", [ScriptedChannel(b"?\n", lease_answer(2)), ScriptedChannel(lease_answer(2))]
)
def test_after_an_answer_that_cannot_be_trusted_no_other_is(first: ScriptedChannel) -> None:
    client = HelperClient(first, "web-1")
    with pytest.raises(HelperError) as raised:
        client.lease("anna", 1)
    sent = first.sent
    with pytest.raises(HelperError) as again:
        client.status()
    assert again.value is raised.value
    assert first.sent == sent


def test_after_a_refusal_the_connection_goes_on() -> None:
    client = HelperClient(ScriptedChannel(refusal("not-staged"), lease_answer(2)), "web-1")
    with pytest.raises(HelperError):
        client.lease("anna", 1)
    assert client.lease("anna", 1).token == 7


def test_a_last_word_is_heard_even_when_nothing_can_be_sent() -> None:
    class Gone(ScriptedChannel):
        def send(self, data: bytes) -> None:
            raise UnreachableError("the connection was lost")

    client = HelperClient(Gone(answer(0, ok=False, error={"code": "no-service", "message": "m"})), "web-1")
    with pytest.raises(HelperError) as raised:
        client.hello()
    assert raised.value.code == "no-service"


def simulated() -> HelperClient:
    transport = SimulatedTransport({"web-1": SimulatedHost("web-1")})
    return HelperClient(transport.connect(Host("web-1", "web-1")).open(RPC_COMMAND), "web-1")


def test_a_watch_that_was_abandoned_makes_the_client_unusable() -> None:
    client = simulated()
    watch = client.watch(interval_s=1, for_s=10)
    next(watch)
    close: Callable[[], None] = watch.close  # type: ignore[attr-defined]
    close()
    with pytest.raises(UnreachableError, match="cannot be used after `watch` was abandoned"):
        client.status()


def test_a_watch_ends_with_its_end() -> None:
    client = simulated()
    *samples, end = client.watch(interval_s=1, for_s=2)
    assert isinstance(end, WatchEnd)
    assert (len(samples), end.ended) == (3, "time")
    assert client.status().trial is None
