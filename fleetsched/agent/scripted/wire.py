# SPDX-License-Identifier: Apache-2.0
"""Answers of a script in the form that the Messages API gives them: a message, or the events of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fleetsched.agent.scripted.script import Answer, Failure

_PIECE = 400  # letters of a text in one event, so that long ones come in several


def message(answer: Answer, number: int, model: str) -> dict[str, Any]:
    """Give the whole reply. Its ids follow from the number of the turn: distinct, and the same each time."""
    content: list[dict[str, Any]] = []
    if answer.thinking:
        content.append({"type": "thinking", "thinking": answer.thinking, "signature": f"c2lnbmVk{number:04}"})
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    for index, call in enumerate(answer.tools, 1):
        identity = f"toolu_scripted_{number:04}_{index:02}"
        content.append({"type": "tool_use", "id": identity, "name": call.name, "input": call.input})
    return {
        "id": f"msg_scripted_{number:04}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": answer.stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": answer.usage.input,
            "output_tokens": answer.usage.output,
            "cache_creation_input_tokens": answer.usage.cache_write,
            "cache_read_input_tokens": answer.usage.cache_read,
        },
        **answer.raw,
    }


def failure(fail: Failure, request_id: str) -> dict[str, Any]:
    """Give the body of an error."""
    return {
        "type": "error",
        "error": {"type": fail.type, "message": fail.message},
        "request_id": request_id,
    }


def events(answer: Answer, whole: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the events of the same reply, in order."""
    usage = whole.get("usage")
    start = {**whole, "content": [], "stop_reason": None}
    if isinstance(usage, dict):
        start["usage"] = {**usage, "output_tokens": 1}
    told: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    truncated = {index for index, call in enumerate(answer.tools) if call.truncated}
    calls = 0
    for index, block in enumerate(whole["content"]):
        is_call = block["type"] == "tool_use"
        told.extend(_block(index, block, truncated=is_call and calls in truncated))
        calls += is_call
    told.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": usage["output_tokens"] if isinstance(usage, dict) else usage},
        }
    )
    told.append({"type": "message_stop"})
    return told[: max(1, round(len(told) * answer.cut))]


def encoded(event: dict[str, Any]) -> bytes:
    """Give one event as the stream has it."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _block(index: int, block: dict[str, Any], *, truncated: bool) -> Iterator[dict[str, Any]]:
    empty, deltas = _parts(block, truncated=truncated)
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _parts(block: dict[str, Any], *, truncated: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "thinking":
        pieces = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*pieces, signature]
    if block["type"] == "text":
        return {**block, "text": ""}, [
            {"type": "text_delta", "text": piece} for piece in _pieces(block["text"])
        ]
    if block["type"] == "tool_use":
        text = json.dumps(block["input"])
        text = text[: len(text) * 2 // 3] if truncated else text
        return {**block, "input": {}}, [
            {"type": "input_json_delta", "partial_json": piece} for piece in _pieces(text)
        ]
    return block, []  # of a kind that a script made up


def _pieces(text: str) -> list[str]:
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
