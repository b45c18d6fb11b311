# SPDX-License-Identifier: Apache-2.0
"""What `bootstrap` speaks of: public keys fit for an authorized_keys file, and changes to a host."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from fleetsched.errors import InputError

_TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing on a host.

    Attributes:
        verb: `make`, `change`, `remove`, or `left` (a folder in which there is something that is not ours).
        what: its kind and its name: `folder /etc/fleetsched`.
    """

    verb: str
    what: str


def public_keys(text: str, file: str) -> tuple[str, ...]:
    """Read public keys, one a line, each as `TYPE BASE64 [COMMENT]`; several are for changing a key.

    Args:
        text: what the file holds; empty lines and those with `#` first are passed over.
        file: its name, for messages.

    Raises:
        InputError: it holds something else, such as the private half, or options before a key.
    """
    if "PRIVATE KEY-----" in text:
        raise InputError(f"{file} is a private key, which stays where it is", remedy=f"give {file}.pub")
    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(line for line in lines if line and not line.startswith("#"))
    if not keys:
        raise InputError(f"{file} has no public key", remedy="make one: `ssh-keygen -t ed25519 -f fleet`")
    for number, line in enumerate(lines, 1):
        if line in keys and not _is_key(line):
            raise InputError(
                f"{file}:{number}: this is no public key of a kind that OpenSSH takes",
                remedy="it begins with its type, such as ssh-ed25519; options are written by fleetsched",
            )
    return keys


def _is_key(line: str) -> bool:
    kind, _, rest = line.partition(" ")
    if kind not in _TYPES or not line.isprintable():
        return False
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
    except (binascii.Error, ValueError):
        return False
    name = kind.encode()
    return blob.startswith(len(name).to_bytes(4, "big") + name) and len(blob) > len(name) + 4
