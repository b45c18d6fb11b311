# SPDX-License-Identifier: Apache-2.0
"""What looks like a secret is found and taken out; ordinary text stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.secrets import find_secret, redact

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "what", "without"),
    [
        (f"key: {KEY} end", "a private key", "key: [redacted] end"),
        ("t ghp_0123456789abcdefghijABCDEFGHIJ456789", "a GitHub token", "t [redacted]"),
        ("sk-ant-api03-0123456789abcdef", "an Anthropic key", "[redacted]"),
        ("AKIAABCDEFGHIJKLMNOP", "an AWS key", "[redacted]"),
        (
            "https://ann:hunter2@git.example.test/x",
            "a password in a URL",
            "https://ann:[redacted]@git.example.test/x",
        ),
        ("Authorization: Bearer abc.def", "", "Authorization: [redacted]"),
        ("ssh://git@example.test:22/fleet.git", "", "ssh://git@example.test:22/fleet.git"),
        ("slice_us 3000 -> 5000, fair@1c444f54", "", "slice_us 3000 -> 5000, fair@1c444f54"),
    ],
)
def test_secrets_are_named_and_taken_out(text: str, what: str, without: str) -> None:
    assert find_secret(text) == what
    assert redact(text) == without


@given(st.text())
def test_taking_out_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)
