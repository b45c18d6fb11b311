# SPDX-License-Identifier: Apache-2.0
"""Scripts: turns, each with what it expects of the request and what it answers.

name: gives-up
model: claude-sonnet-5-5
turns:
  - expect: {contains: ["web-latency"], tools: [finish, give_up]}
    answer:
      text: nothing fits
      tools: [{name: give_up, input: {reason: nothing fits}}]
      stop: tool_use
      usage: {input: 2000, output: 50, cacheWrite: 1800, cacheRead: 0}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from fleetsched.errors import InputError


class ToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One call that the answer asks for.

    Attributes:
        source: a file beside the script, whose text becomes the argument `source`.
        edits: made in it first, each a text and what stands in its place.
        truncated: the end of the arguments' JSON is left out.
    """

    name: str
    input: dict[str, Any] = {}
    source: str = ""
    edits: list[tuple[str, str]] = []
    truncated: bool = False


class Usage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Tokens, as the API counts them: `input` are those that neither went into the cache nor came from it."""

    input: int
    output: int
    cache_write: int = 0
    cache_read: int = 0


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What must hold of the request.

    Attributes:
        contains: texts, each somewhere in the newest message.
        lacks: texts that are nowhere in the request.
        tools: names among the tools that are offered.
        results: of the last answer's calls, in order: values by path, such as `candidate.id` or `error`;
            a text is looked for in the value, everything else must equal it.
    """

    contains: list[str] = []
    lacks: list[str] = []
    tools: list[str] = []
    results: list[dict[str, Any]] = []


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A reply of the model.

    Attributes:
        cut: the connection ends before this share (0 to 1) of the stream's events; 1 = not cut.
        raw: replaces fields of the message, so that it is none.
    """

    usage: Usage
    text: str = ""
    thinking: str = ""
    tools: list[ToolCall] = []
    stop: str = "tool_use"
    cut: float = 1.0
    raw: dict[str, Any] = {}


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """An answer that is an error of HTTP.

    Attributes:
        times: how often before the next turn; 0 = for ever.
        retry_after: seconds, as the header says it; "" = no header.
    """

    status: int
    type: str
    message: str
    times: int = 1
    retry_after: str = ""


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One exchange: exactly one of `answer` and `fail`."""

    expect: Expect = Expect()
    answer: Answer | None = None
    fail: Failure | None = None


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One script. `about` says what it shows."""

    name: str
    about: str
    model: str
    turns: list[Turn]


def read_script(file: Path) -> Script:
    """Read a script.

    Raises:
        InputError: it is none; the message says where.
    """
    try:
        script = msgspec.convert(yaml.safe_load(file.read_text(encoding="utf-8")), Script)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise InputError(
            f"{file} is no script: {error}", remedy="see fleetsched/agent/scripted/script.py"
        ) from error
    for number, turn in enumerate(script.turns, 1):
        if (turn.answer is None) == (turn.fail is None):
            raise InputError(f"{file}: turn {number} has to have `answer` or `fail`, and not both")
        for call in turn.answer.tools if turn.answer is not None else ():
            if call.source:
                call.input["source"] = _edited(file.with_name(call.source), call.edits)
    return script


def _edited(file: Path, edits: list[tuple[str, str]]) -> str:
    text = file.read_text(encoding="utf-8")
    for old, new in edits:
        if text.count(old) != 1:
            raise InputError(f"{file}: {old!r} is not there exactly once, so it cannot be edited")
        text = text.replace(old, new)
    return text
