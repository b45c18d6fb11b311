# SPDX-License-Identifier: Apache-2.0
"""What looks like a secret is found and taken out; ordinary text stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.secrets import find_secret, hide, is_literal, names_secret, redact, redact_values

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
        ("npm_" + "a" * 36, "an npm token", "[redacted]"),
        ("hf_" + "a" * 34, "a Hugging Face token", "[redacted]"),
        ("sk-proj-0123456789abcdef", "an OpenAI key", "[redacted]"),
        ("x eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeK y", "a JSON Web Token", "x [redacted] y"),
        ("ssh://git@example.test:22/fleet.git", "", "ssh://git@example.test:22/fleet.git"),
        ("slice_us 3000 -> 5000, fair@1c444f54", "", "slice_us 3000 -> 5000, fair@1c444f54"),
    ],
)
def test_secrets_are_named_and_taken_out(text: str, what: str, without: str) -> None:
    assert find_secret(text) == what
    assert redact(text) == without


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "dbPassword",
        "db_pass",
        "API_TOKEN",
        "client-secret",
        "aws.secret_key",
        "apiKey",
        "authKey",
    ],
)
def test_a_name_may_say_that_its_value_is_a_secret(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "proxy_pass",
        "token_lifetime",
        "passwordFile",
        "key",
        "keys",
        "ssh_public_key",
        "bypass",
        "tokens_per_s",
    ],
)
def test_a_name_that_only_has_such_a_word_does_not(name: str) -> None:
    assert not names_secret(name)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("hunter2", True),
        ("correct horse battery", True),
        ("{{ vault_password }}", False),
        ("$DB_PASSWORD", False),
        ("/run/secrets/db", False),
        ("~/.pgpass", False),
        ("<fill me in>", False),
        ("https://vault.example.test/db", False),
        ("none", False),
        ("", False),
        ("********", False),
    ],
)
def test_a_reference_a_template_or_nothing_is_no_secret(text: str, literal: bool) -> None:
    assert is_literal(text) is literal


@given(st.text())
def test_taking_out_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_a_resolved_secret_is_taken_out_wherever_it_stands() -> None:
    assert redact("sudo: a-password-nobody-would-guess is wrong") == (
        "sudo: a-password-nobody-would-guess is wrong"
    )
    hide("a-password-nobody-would-guess")
    assert redact("sudo: a-password-nobody-would-guess is wrong") == "sudo: [redacted] is wrong"


def test_a_short_secret_is_not_looked_for_in_other_words() -> None:
    hide("fair")
    assert redact("policy fair") == "policy fair"


def test_records_stay_records() -> None:
    cut_off = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA"
    record = {"host": "web-1", "detail": cut_off, "more": [{"n": 1, "held": (None, cut_off)}]}
    assert redact_values(record) == {
        "host": "web-1",
        "detail": "[redacted]",
        "more": [{"n": 1, "held": [None, "[redacted]"]}],
    }
