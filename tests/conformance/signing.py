# SPDX-License-Identifier: Apache-2.0
"""Keys of the table, the file of allowed signers that goes with them, and `$signed` of a request."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fleetsched.helper.signing import sign
from fleetsched.model.statement import HELPER_NAMESPACE, NAMESPACE, canonical

GROUP = "web"
_TOMORROW_S = 86_400


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fleetsched-keys-")


@cache
def key(name: str) -> Path:
    """A private key of this run: `known`, `expired`, `elsewhere` or `unknown` to the host."""
    file = Path(_folder().name, name)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], check=True)
    return file


def allowed_signers() -> str:
    """OpenSSH's file of signers. `unknown` is not in it; `elsewhere` may sign something else only."""
    lines = {
        "known": "",
        "expired": 'valid-before="20200101Z"',
        "elsewhere": 'namespaces="git"',
    }
    return "".join(
        f"{name}@example.invalid {options} {key(name).with_suffix('.pub').read_text(encoding='utf-8')}"
        for name, options in lines.items()
    )


@cache
def _tomorrow() -> str:
    """The same in the whole run: a statement that is made twice must be the same text."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + _TOMORROW_S))


def signed(request: Mapping[str, Any], wishes: Mapping[str, Any], base: int) -> dict[str, Any]:
    """Give a `try` a statement and its signature.

    Args:
        request: with its assignment and revision.
        wishes: `$signed` of the table: `key`, `namespace`, `altered`, `serial` (above `base`), `text`, and
            members that the statement has instead of what fits the request.
        base: what serials of this case are counted from.
    """
    members = {
        "assignment": request["assignment"],
        "group": GROUP,
        "notAfter": _tomorrow(),
        "revision": request["revision"],
        **{name: value for name, value in wishes.items() if name in _MEMBERS},
        "serial": base + wishes.get("serial", 1),
    }
    text = wishes.get("text") or canonical(members)
    signature = sign(text.encode(), key(wishes.get("key", "known")), wishes.get("namespace", NAMESPACE))
    if wishes.get("altered"):
        text = text.replace(f'"serial":{members["serial"]}', f'"serial":{members["serial"] + 1}')
    return {**request, "statement": text, "signature": signature}


def signature_of(data: bytes, wishes: Mapping[str, Any]) -> str:
    """Sign the bytes of a helper; `key` and `namespace` as above."""
    return sign(data, key(wishes.get("key", "known")), wishes.get("namespace", HELPER_NAMESPACE))


_MEMBERS = ("assignment", "group", "notAfter", "program", "revision", "extra")
