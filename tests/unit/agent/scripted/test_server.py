# SPDX-License-Identifier: Apache-2.0
"""The scripted server, judged by the SDK with strict validation: what it answers is what the API answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import pytest

from fleetsched.agent.scripted.script import (
    Answer,
    Expect,
    Failure,
    Script,
    ToolCall,
    Turn,
    Usage,
    read_script,
)
from fleetsched.agent.scripted.server import ScriptedServer

SCRIPTS = Path(__file__).parents[3] / "data" / "scripts"
MODEL = "claude-sonnet-5-5"
USAGE = Usage(input=10, output=20, cache_write=30, cache_read=40)
TOOL = {
    "name": "look",
    "description": "looks",
    "strict": True,
    "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
}
HELLO = {"role": "user", "content": "hello"}


@contextmanager
def played(*turns: Turn) -> Iterator[tuple[ScriptedServer, anthropic.Anthropic]]:
    with ScriptedServer(Script("test", "a test", MODEL, list(turns))) as server:
        client = anthropic.Anthropic(
            api_key="test", base_url=server.url, max_retries=0, _strict_response_validation=True
        )
        with client:
            yield server, client


def ask(client: anthropic.Anthropic, **changed: Any) -> Any:
    return client.messages.create(**{"model": MODEL, "max_tokens": 100, "messages": [HELLO], **changed})


FULL = Answer(USAGE, text="t" * 1000, thinking="h" * 900, tools=[ToolCall("look", {"a": ["b" * 900]})])


def test_the_same_reply_comes_whole_and_streamed() -> None:
    with played(Turn(answer=FULL)) as (_, client):
        whole = ask(client)
    with (
        played(Turn(answer=FULL)) as (_, client),
        client.messages.stream(model=MODEL, max_tokens=100, messages=[HELLO]) as stream,
    ):
        streamed = stream.get_final_message()
    assert streamed.to_dict(exclude_none=True) == whole.to_dict(exclude_none=True)
    assert [block.type for block in whole.content] == ["thinking", "text", "tool_use"]
    assert whole.usage.cache_read_input_tokens == 40
    assert whole._request_id == "req_scripted_0001"


def test_ids_differ_from_turn_to_turn_and_not_from_play_to_play() -> None:
    seen = []
    for _ in range(2):
        with played(Turn(answer=Answer(USAGE, text="a")), Turn(answer=Answer(USAGE, text="b"))) as (
            _,
            client,
        ):
            seen.append([ask(client).id, ask(client).id])
    assert seen == [["msg_scripted_0001", "msg_scripted_0002"]] * 2


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (401, "authentication_error", anthropic.AuthenticationError),
        (413, "request_too_large", anthropic.ContentTooLargeError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (529, "overloaded_error", anthropic.OverloadedError),
    ],
)
def test_errors_are_those_of_the_api(status: int, kind: str, error: type[anthropic.APIStatusError]) -> None:
    fail = Failure(status, kind, "no", retry_after="7")
    with played(Turn(fail=fail)) as (_, client), pytest.raises(error) as caught:
        ask(client)
    assert caught.value.api_message == "no"
    assert caught.value.request_id == "req_scripted_0001"
    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"extra_body": {"temperature": 0}}, "temperature: Extra inputs are not permitted"),
        (
            {"extra_headers": {"anthropic-version": "2023-06-01"}},
            "anthropic-version is 2023-06-01, not 2026-10-21",
        ),
        ({"extra_headers": {"Authorization": anthropic.Omit()}, "extra_query": {}}, "Authorization is not"),
        ({"max_tokens": 0}, "max_tokens: 0 is not 1 to 128000"),
        ({"thinking": {"type": "frobbed"}}, "thinking"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "tool_use_id"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "the first has to be the user's"),
        ({"messages": [HELLO, {"role": "assistant", "content": "x"}]}, "the last has to be the user's"),
        ({"messages": [HELLO, HELLO]}, "two of the role user in a row"),
        (
            {
                "messages": [
                    HELLO,
                    {
                        "role": "assistant",
                        "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}],
                    },
                    HELLO,
                ]
            },
            "results of [] for calls ['t1']",
        ),
        ({"tools": [TOOL, TOOL]}, "names are not unique"),
        ({"tools": [{**TOOL, "input_schema": {"type": "object"}}]}, "look is strict"),
    ],
)
def test_what_the_api_would_refuse_is_refused_and_remembered(changed: dict[str, Any], fault: str) -> None:
    with played(Turn(answer=FULL)) as (server, client):
        with pytest.raises(anthropic.BadRequestError) as caught:
            ask(client, **changed)
        assert fault in caught.value.api_message
        assert server.mismatches == [caught.value.api_message]
        assert not server.done


@pytest.mark.parametrize(
    ("expect", "fault"),
    [
        (Expect(contains=["good bye"]), "the newest message lacks 'good bye'"),
        (Expect(lacks=["hello"]), "the request contains 'hello'"),
        (Expect(tools=["hear"]), "the tool hear is not offered"),
        (Expect(results=[{"a.b": 1}]), "expected 1 result, got 0"),
    ],
)
def test_what_the_script_does_not_expect_is_refused(expect: Expect, fault: str) -> None:
    with played(Turn(expect=expect, answer=FULL)) as (server, client):
        with pytest.raises(anthropic.BadRequestError, match=fault):
            ask(client, tools=[TOOL])
        assert server.mismatches == [f"turn 1: {fault}"]


def test_nothing_is_answered_after_the_last_turn() -> None:
    with played(Turn(answer=FULL)) as (server, client):
        ask(client)
        assert server.done
        with pytest.raises(anthropic.BadRequestError, match="has ended after 1 turn"):
            ask(client)


def test_tokens_can_be_counted_and_models_listed() -> None:
    with played() as (_, client):
        assert client.messages.count_tokens(model=MODEL, messages=[HELLO]).input_tokens > 0
        assert [model.id for model in client.models.list()] == [MODEL]


@pytest.mark.parametrize("file", sorted(SCRIPTS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_script_is_one_and_is_called_as_its_file(file: Path) -> None:
    script = read_script(file)
    assert script.name == file.stem
    assert script.turns
