# SPDX-License-Identifier: Apache-2.0
"""Whether a request is one that the API would take, and the one that a script expects."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from fleetsched.agent.scripted.script import Expect
from fleetsched.model.wording import counted

VERSION = "2026-10-21"
_MOST_OUTPUT = 128_000


def protocol_faults(headers: Mapping[str, str], body: Mapping[str, Any]) -> list[str]:
    """Say what the API would refuse, the first thing first; nothing when it would not."""
    faults = _headers(headers) + _types(body)
    if not faults:
        faults = _limits(body) + _dialogue(body["messages"])
    return faults


def expected_faults(expect: Expect, body: Mapping[str, Any]) -> list[str]:
    """Say in what a request differs from what the script expects."""
    newest, everything = json.dumps(body["messages"][-1]), json.dumps(body)
    offered = [tool["name"] for tool in body.get("tools", ())]
    faults = [
        f"the newest message lacks {text!r}" for text in expect.contains if _as_json(text) not in newest
    ]
    faults += [f"the request contains {text!r}" for text in expect.lacks if _as_json(text) in everything]
    faults += [f"the tool {name} is not offered" for name in expect.tools if name not in offered]
    if expect.results:
        faults += _results(expect.results, body["messages"][-1]["content"])
    return faults


def _as_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _headers(headers: Mapping[str, str]) -> list[str]:
    faults = []
    if not headers.get("authorization", "").startswith("Bearer "):
        faults.append("the header Authorization is not `Bearer KEY`")
    if headers.get("anthropic-version") != VERSION:
        faults.append(f"the header anthropic-version is {headers.get('anthropic-version')}, not {VERSION}")
    return faults


@cache
def _request() -> Any:
    import pydantic
    from anthropic.types.message_create_params import MessageCreateParamsBase

    return pydantic.TypeAdapter(MessageCreateParamsBase), frozenset(MessageCreateParamsBase.__annotations__)


def _types(body: Mapping[str, Any]) -> list[str]:
    """Judge by the SDK's own types; they let unknown fields pass, which the API does not."""
    import pydantic

    adapter, known = _request()
    faults = [f"{name}: Extra inputs are not permitted" for name in body if name not in known | {"stream"}]
    try:
        seen = adapter.validate_python(body)
        for part in ("messages", "tools", "system"):  # sequences are judged as they are walked
            for each in () if isinstance(seen.get(part), str) else seen.get(part, ()):
                content = each.get("content") if isinstance(each, dict) else None
                if content is not None and not isinstance(content, str):
                    list(content)
    except pydantic.ValidationError as error:
        faults.append(_nearest([(each["loc"], each["msg"]) for each in error.errors()]))
    return faults


def _nearest(errors: list[tuple[tuple[int | str, ...], str]]) -> str:
    """A value that could be of many kinds has the errors of each: the kind with the fewest says most."""
    kinds = Counter(place[:2] for place, _ in errors)
    place, text = min(errors, key=lambda each: kinds[each[0][:2]])
    return f"{'.'.join(map(str, place))}: {text}"


def _limits(body: Mapping[str, Any]) -> list[str]:
    faults = []
    if not 1 <= body["max_tokens"] <= _MOST_OUTPUT:
        faults.append(f"max_tokens: {body['max_tokens']} is not 1 to {_MOST_OUTPUT}")
    tools = body.get("tools", ())
    if len({tool["name"] for tool in tools}) < len(tools):
        faults.append("tools: names are not unique")
    faults += [
        f"tools: {tool['name']} is strict, and its schema allows additional properties"
        for tool in tools
        if tool.get("strict") and tool["input_schema"].get("additionalProperties") is not False
    ]
    return faults


def _dialogue(messages: list[dict[str, Any]]) -> list[str]:
    """Every call has its result in the next message, and every result its call."""
    if not messages or messages[0]["role"] != "user":
        return ["messages: the first has to be the user's"]
    faults, open_calls = [], list[str]()
    for number, each in enumerate(messages):
        blocks = each["content"] if isinstance(each["content"], list) else []
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(results) != sorted(open_calls):
            faults.append(f"messages.{number}: results of {results} for calls {open_calls}")
        open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if number and each["role"] == messages[number - 1]["role"]:
            faults.append(f"messages.{number}: two of the role {each['role']} in a row")
    if messages[-1]["role"] != "user":
        faults.append("messages: the last has to be the user's")
    return faults


def _results(expected: list[dict[str, Any]], content: Any) -> list[str]:
    blocks = [each for each in content if isinstance(each, dict) and each["type"] == "tool_result"]
    if len(blocks) != len(expected):
        return [f"expected {counted(len(expected), 'result')}, got {len(blocks)}"]
    faults = []
    for number, (wanted, block) in enumerate(zip(expected, blocks, strict=True), 1):
        value = json.loads(block["content"]) | {"is_error": block.get("is_error", False)}
        for path, what in wanted.items():
            found = _at(value, path)
            fits = what in found if isinstance(what, str) and isinstance(found, str) else what == found
            if not fits:
                faults.append(f"result {number}: {path} is {found!r}, and {what!r} is expected")
    return faults


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value
