# SPDX-License-Identifier: Apache-2.0
"""What a person sees when the API does not do what it should."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anthropic
import httpx2
import pytest

from fleetsched.agent.anthropic.client import Client
from fleetsched.agent.anthropic.faults import explained
from fleetsched.agent.anthropic.model import ModelError, Reply, Request
from fleetsched.agent.scripted.script import Answer, Failure, Script, Turn, Usage
from fleetsched.agent.scripted.server import ScriptedServer
from fleetsched.agent.transcript import Transcript
from fleetsched.errors import InputError
from fleetsched.secrets import hide
from tests.unit.agent.playing import KEY

MODEL = "claude-sonnet-5-5"
TOOL = {
    "name": "look",
    "description": "looks",
    "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
    "strict": True,
}
ANSWER = Turn(answer=Answer(Usage(input=10, output=5), text="well", stop="end_turn"))
HTTP = httpx2.Request("POST", "https://api.example/v1/messages")


def ask(
    tmp_path: Path, *turns: Turn, left_s: Callable[[], float] = lambda: 600.0, said: str = "hello"
) -> Reply:
    with (
        ScriptedServer(Script("test", "a test", MODEL, list(turns))) as server,
        Transcript(tmp_path) as record,
    ):
        message = {"role": "user", "content": [{"type": "text", "text": said}]}
        with Client(MODEL, KEY, server.url, record, left_s=left_s) as client:
            return client.ask(Request("be good", [TOOL], [message], 4000))


def attempts(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (tmp_path / "transcript.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("status", "kind", "what", "remedy"),
    [
        (400, "invalid_request_error", "it refuses the request", "update anthropic and fleetsched"),
        (401, "authentication_error", "it does not take the key", "correct agent.key"),
        (402, "billing_error", "the account cannot pay for it", "see to the account's credit"),
        (403, "permission_error", "the key may not do this", "use a key that may use the model"),
        (404, "not_found_error", "it knows no such model or path", "correct agent.model or agent.url"),
        (413, "request_too_large", "the request is too large for it", "lower agent.budget"),
        (429, "rate_limit_error", "it still asks to wait after several tries", "try again later"),
        (500, "api_error", "it fails", "try again later"),
        (529, "overloaded_error", "it is overloaded", "try again later"),
    ],
)
def test_errors_of_the_api_say_what_to_do(
    status: int, kind: str, what: str, remedy: str, tmp_path: Path
) -> None:
    fail = Failure(status, kind, "because\x1b[2J", times=0, retry_after="0.01")
    with pytest.raises(ModelError) as caught:
        ask(tmp_path, Turn(fail=fail))
    _, _, rest = caught.value.message.partition(": ")
    assert caught.value.message.startswith("the language model's API at http://127.0.0.1:")
    assert rest == f"{what} (HTTP {status}, request req_scripted_0001): because?[2J"
    assert caught.value.remedy.startswith(remedy)
    assert KEY not in str(caught.value)
    tries = 5 if status in (429, 500, 529) else 1
    assert [each["status"] for each in attempts(tmp_path)] == [status] * tries


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (anthropic.APITimeoutError(HTTP), "does not answer in time"),
        (anthropic.APIConnectionError(message="refused", request=HTTP), "cannot be reached: refused"),
    ],
)
def test_an_api_out_of_reach_is_explained(error: anthropic.APIError, message: str) -> None:
    assert explained(error, "URL").message == f"the language model's API at URL {message}"


@pytest.mark.parametrize(
    ("wait", "left_s", "message"),
    [
        ("3600", 600.0, "wants to be asked again in 3600 s, and this run waits 120 s at most"),
        ("30", 7.0, "wants to be asked again in 30 s, and this run waits 7 s at most"),
    ],
)
def test_nobody_waits_longer_than_the_run_has(wait: str, left_s: float, message: str, tmp_path: Path) -> None:
    fail = Failure(429, "rate_limit_error", "slow down", retry_after=wait)
    with pytest.raises(ModelError) as caught:
        ask(tmp_path, Turn(fail=fail), left_s=lambda: left_s)
    assert caught.value.message == f"the language model's API (HTTP 429) {message}"


def test_a_model_that_takes_no_large_grammar_is_asked_without(tmp_path: Path) -> None:
    fail = Failure(400, "invalid_request_error", "The compiled grammar is too large")
    assert ask(tmp_path, Turn(fail=fail), ANSWER).text == "well"


def test_without_a_key_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "another-key-that-lies-about")
    with Transcript(tmp_path) as record, pytest.raises(InputError) as caught:
        Client(MODEL, "", "", record, left_s=lambda: 1.0)
    assert caught.value.message == "the backend anthropic needs a key, and there is none"


def test_without_the_sdk_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with Transcript(tmp_path) as record, pytest.raises(ModelError) as caught:
        Client(MODEL, KEY, "", record, left_s=lambda: 1.0)
    assert caught.value.remedy == "pip install 'fleetsched[agent]'"


def test_the_environment_may_name_the_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://gateway.example")
    with Transcript(tmp_path) as record:
        with Client(MODEL, KEY, "", record, left_s=lambda: 1.0) as client:
            assert client.url == "http://gateway.example"
        with Client(MODEL, KEY, "http://own.example", record, left_s=lambda: 1.0) as client:
            assert client.url == "http://own.example"


def test_secrets_do_not_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetsched.secrets._resolved", set())
    hide("hunter2-and-more")
    said = f"password hunter2-and-more, {KEY}, https://me:{'p' * 8}@host/"
    with ScriptedServer(Script("test", "a test", MODEL, [ANSWER])) as server, Transcript(tmp_path) as record:
        message = {"role": "user", "content": [{"type": "text", "text": said}]}
        with Client(MODEL, KEY, server.url, record, left_s=lambda: 600.0) as client:
            client.ask(Request("be good", [TOOL], [message], 4000))
    assert server.requests[0]["messages"][0]["content"][0]["text"] == (
        "password [redacted], [redacted], https://me:[redacted]@host/"
    )


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """An API that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def ask_silent(tmp_path: Path, left_s: Callable[[], float]) -> Reply:
    message = {"role": "user", "content": [{"type": "text", "text": "x" * 1000}]}
    with (
        silent() as url,
        Transcript(tmp_path) as record,
        Client(MODEL, KEY, url, record, left_s=left_s) as asked,
    ):
        return asked.ask(Request("be good", [TOOL], [message], 4000))


def test_what_nobody_answers_lasts_no_longer_than_the_run_and_is_paid_for_by_estimate(tmp_path: Path) -> None:
    began = time.monotonic()
    reply = ask_silent(tmp_path, lambda: 0.5)
    assert time.monotonic() - began < 20
    assert (reply.content, reply.stop, reply.problem) == ((), "", "nothing was answered within 1 s")
    assert reply.usage.cache_write > 500
    assert attempts(tmp_path) == [{"kind": "attempt", "retry": 0, "error": "APITimeoutError"}]


def test_nothing_is_tried_again_when_the_time_is_over(tmp_path: Path) -> None:
    left = iter([600.0, 600.0])
    fail = Failure(500, "api_error", "because", times=0)
    with pytest.raises(ModelError, match="gave no answer before this run's time was over"):
        ask(tmp_path, Turn(fail=fail), left_s=lambda: next(left, 0.0))
    assert [each["status"] for each in attempts(tmp_path)] == [500]


def test_a_reply_is_left_when_the_time_is_over(tmp_path: Path) -> None:
    long = Turn(answer=Answer(Usage(input=10, output=500), text="word " * 2000))
    left = iter([600.0] * 6)
    reply = ask(tmp_path, long, left_s=lambda: next(left, 0.0))
    assert (reply.stop, reply.problem) == ("", "it was left before its end")
    assert 0 < len(reply.text) < 2000
