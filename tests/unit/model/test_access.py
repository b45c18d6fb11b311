# SPDX-License-Identifier: Apache-2.0
"""Which public keys may stand in an authorized_keys file."""

from __future__ import annotations

import base64

import pytest

from fleetsched.errors import InputError
from fleetsched.model.access import public_keys

BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()
KEY = f"ssh-ed25519 {BLOB} fleet@example.test"


def test_one_or_several_keys_are_read() -> None:
    assert public_keys(f"{KEY}\n", "fleet.pub") == (KEY,)
    assert public_keys(f"# old\n{KEY}\n\n  ssh-ed25519 {BLOB}\n", "fleet.pub") == (KEY, f"ssh-ed25519 {BLOB}")


def test_the_private_half_is_not_taken_and_not_shown() -> None:
    with pytest.raises(InputError) as raised:
        public_keys("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n", "fleet")
    assert str(raised.value) == "fleet is a private key, which stays where it is\n  give fleet.pub"


def test_an_empty_file_is_said() -> None:
    with pytest.raises(InputError, match=r"^fleet\.pub has no public key"):
        public_keys("\n# nothing\n", "fleet.pub")


@pytest.mark.parametrize(
    "line",
    [
        f'command="/bin/sh" {KEY}',  # whoever writes the line decides what the key may
        f"no-such-type {BLOB}",
        "ssh-ed25519",
        "ssh-ed25519 !!!",
        f"ssh-rsa {BLOB}",  # says another type than it is
        f"ssh-ed25519 {BLOB} a\x1b[2Jb",
        f"cert-authority {KEY}",
    ],
)
def test_what_is_no_key_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(InputError) as raised:
        public_keys(f"# first\n{line}\n", "fleet.pub")
    assert str(raised.value) == (
        "fleet.pub:2: this is no public key of a kind that OpenSSH takes\n"
        "  it begins with its type, such as ssh-ed25519; options are written by fleetsched"
    )
