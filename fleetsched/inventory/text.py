# SPDX-License-Identifier: Apache-2.0
"""The text of inventories and variable files: what it is, and its values."""

from __future__ import annotations

import re
from pathlib import Path

from fleetsched.documents.reader import Limits, Reading, read_bytes
from fleetsched.inventory.json_nodes import read_json

# These may stand in an inventory that we read without needing them; see connection.py for those that we need.
_OPAQUE = frozenset({"!vault", "!vault-encrypted", "!unsafe"})
_VAULT = b"$ANSIBLE_VAULT;"
_SCRIPT = b"#!"
_LIMITS = Limits()
_START_BYTES = 4096
_YAML_LINE = re.compile(r"""---|["']?[^\s\[:]+["']?:(\s|$)""")


def start_of(file: Path) -> bytes:
    """Read the first bytes of a file.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        return stream.read(_START_BYTES)


def is_encrypted(start: bytes) -> bool:
    """Whether ansible-vault has encrypted the whole file."""
    return start.startswith(_VAULT)


def is_script(start: bytes) -> bool:
    """Whether it says which program runs it."""
    return start.startswith(_SCRIPT)


def is_binary(start: bytes) -> bool:
    """Whether it is no text, such as a compiled program."""
    return b"\0" in start


def means_yaml(start: bytes) -> bool:
    """Whether the first line that is no comment is meant as YAML, rather than as INI."""
    lines = start.decode("utf-8-sig", errors="replace").splitlines()
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    return _YAML_LINE.match(first) is not None


def read_values(file: Path, name: str) -> Reading:
    """Read the one document of a file: JSON if it can be, else YAML, as Ansible does.

    Problems call the file `name`. Never raises, whatever stands in it.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        data = stream.read(_LIMITS.bytes + 1)
    is_json = file.suffix == ".json"
    json = read_json(data, name, limits=_LIMITS) if is_json or data.lstrip()[:1] == b"{" else Reading()
    if json.documents:
        return json
    reading = read_bytes(data, name, opaque=_OPAQUE, limits=_LIMITS)
    if reading.problems and is_json:
        return json
    more = [document.problem("only one document may stand here") for document in reading.documents[1:]]
    return Reading(reading.documents[:1], (*reading.problems, *more))
