# SPDX-License-Identifier: Apache-2.0
"""Lines, limits and numbers of the protocol (docs/helper-protocol.md), as both ends of it use them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

# The greatest version that this fleetsched speaks, and the oldest helper's that it works with.
PROTOCOL = 2
OLDEST_PROTOCOL = 1

# Bytes of a line with its newline, of one chunk of an object, of a whole object, and of a helper.
MAX_LINE = 65_536
MAX_CHUNK = 65_536
MAX_OBJECT = 1_048_576
MAX_HELPER = 8_388_608

# Where the helper is on a managed host.
HELPER_PATH = "/usr/libexec/fleetsched-host"
TOO_OLD_REMEDY = (
    f"as an administrator there: rm {HELPER_PATH}; the next `apply` or `bootstrap` installs a new one"
)
"""What to do about a helper that cannot be upgraded by itself: none of them replaces one."""
SOCKET_PATH = "/run/fleetsched/host.sock"
UNIT_NAME = "fleetsched-host.service"


def encode(message: Mapping[str, Any]) -> bytes:
    """Write one message as a line."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Read one line.

    Raises:
        ValueError: it is not UTF-8, not JSON, not an object, or an object in it has a key twice.
    """
    message = json.loads(
        line.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates
    )
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")
    return message


def chunks(data: bytes) -> list[bytes]:
    """Cut an object or a helper into chunks, each with its length in four bytes, big-endian, before it."""
    parts = (data[start : start + MAX_CHUNK] for start in range(0, len(data), MAX_CHUNK))
    return [len(part).to_bytes(4, "big") + part for part in parts]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is there twice")
    return value
