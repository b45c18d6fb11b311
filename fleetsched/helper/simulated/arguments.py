# SPDX-License-Identifier: Apache-2.0
"""The arguments of each verb: which there are, which may be left out, and what they may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from fleetsched.helper.simulated.refusal import Refusal
from fleetsched.helper.wire import MAX_HELPER, MAX_OBJECT

_Check = Callable[[Any], bool]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_POLICY = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_HOUR_MS = 3_600_000
_MOST_TEXT = 512  # bytes
_MOST_STATEMENT = 8_192
_MOST_SIGNATURE = 4_096
_MOST_CHECKS = 8
_MOST_PARAMETERS = 64
_MOST_ARGS = 64
_PATH = re.compile(r"(/(?!\.\.?(/|$))[^/]+)+", re.DOTALL)


def _integer(low: int, high: int) -> _Check:
    # bool is an int in Python and none in JSON.
    return lambda value: type(value) is int and low <= value <= high


def _text_of(most: int) -> _Check:
    return lambda value: isinstance(value, str) and len(value.encode()) <= most


def _text(value: Any) -> bool:
    return _text_of(_MOST_TEXT)(value)


def _boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _digest(value: Any) -> bool:
    return isinstance(value, str) and bool(_DIGEST.fullmatch(value))


def _names(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_CHECKS and all(map(_text, value))


def _assignment(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != {"policy", "variant", "digest", "parameters"}:
        return False
    parameters = value["parameters"]
    return (
        isinstance(value["policy"], str)
        and bool(_POLICY.fullmatch(value["policy"]))
        and _text(value["variant"])
        and _digest(value["digest"])
        and isinstance(parameters, dict)
        and len(parameters) <= _MOST_PARAMETERS
        and all(_PARAMETER.fullmatch(name) for name in parameters)
        and all(_integer(-(1 << 63), (1 << 63) - 1)(number) for number in parameters.values())
    )


def _program(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"path", "args"}
        and _text(value["path"])
        and bool(_PATH.fullmatch(value["path"]))
        and isinstance(value["args"], list)
        and len(value["args"]) <= _MOST_ARGS
        and all(map(_text, value["args"]))
    )


_TOKEN = _integer(1, (1 << 53) - 1)

# Arguments that must be given, and those that may be.
_REQUIRED: Mapping[str, Mapping[str, _Check]] = {
    "hello": {"protocol": _integer(-(1 << 31), (1 << 31) - 1), "client": _text},
    "facts": {},
    "status": {},
    "lease": {"owner": _text, "ttl_ms": _integer(1, _HOUR_MS)},
    "release": {},
    "stage": {"digest": _digest, "size": _integer(1, MAX_OBJECT)},
    "upgrade": {"digest": _digest, "size": _integer(1, MAX_HELPER), "version": _text},
    "try": {
        "assignment": _assignment,
        "deadline_ms": _integer(1_000, _HOUR_MS),
        "run": _text,
        "revision": _text,
    },
    "watch": {
        "interval_ms": _integer(100, _HOUR_MS),
        "for_ms": _integer(0, _HOUR_MS),
        "pressure": _boolean,
        "checks": _names,
    },
    "observe": {"for_ms": _integer(100, 60_000), "top": _integer(0, 64)},
    "confirm": {"trial": _text},
    "revert": {"trial": _text, "why": _text},
    "stop": {"why": _text},
    "history": {"limit": _integer(1, 200)},
}
_OPTIONAL: Mapping[str, Mapping[str, _Check]] = {
    "lease": {"token": _TOKEN},
    "release": {"token": _TOKEN, "held": _assignment},
    "upgrade": {"signature": _text_of(_MOST_SIGNATURE), "token": _TOKEN},
    "try": {
        "token": _TOKEN,
        "hold": _text,
        "program": _program,
        "statement": _text_of(_MOST_STATEMENT),
        "signature": _text_of(_MOST_SIGNATURE),
    },
    "watch": {"run_queue": _boolean},
    "confirm": {"token": _TOKEN},
    "revert": {"token": _TOKEN, "hold": _boolean},
    "stop": {"token": _TOKEN, "hold": _text},
}


def check(verb: str, arguments: Mapping[str, Any]) -> None:
    """Refuse what the protocol does not allow.

    Raises:
        Refusal: `unknown-verb`, or `bad-request` naming the argument.
    """
    required = _REQUIRED.get(verb)
    if required is None:
        raise Refusal("unknown-verb", f"there is no verb {verb}")
    optional = _OPTIONAL.get(verb, {})
    for name in required:
        if name not in arguments:
            raise Refusal("bad-request", f"{verb} lacks its argument {name}")
    for name, value in arguments.items():
        fits = required.get(name) or optional.get(name)
        if fits is None:
            raise Refusal("bad-request", f"{verb} has no argument {name}")
        if not fits(value):
            raise Refusal("bad-request", f"{verb} cannot take this value of {name}")
    if verb == "release" and len(arguments) != 1:
        raise Refusal("bad-request", "release takes either token or held")
