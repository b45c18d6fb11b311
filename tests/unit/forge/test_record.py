# SPDX-License-Identifier: Apache-2.0
"""What a body carries for fleetsched itself, whoever has edited it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.forge.record import Record, read_record, same_body, with_record

RECORD = Record("fair", "2b" * 20, "1c" * 20, "f" * 64)


def test_what_is_written_is_read() -> None:
    body = with_record("## Run fair\n", RECORD)
    read = read_record(body)
    assert read is not None
    assert (read.policy, read.base, read.made, read.fingerprint) == ("fair", "2b" * 20, "1c" * 20, "f" * 64)
    assert body.startswith("## Run fair\n\n<!-- ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"policy":"fair"', '"policy":"../x"'),
        ('"policy":"fair"', '"policy":5'),
        ('"policy":"fair"', '"policy":"fair","more":1'),
        ('"policy":"fair",', ""),
        ("2b2b", "xx"),
        ("{", "[{"),
        ("fleetsched:proposal", "fleetsched:other"),
    ],
)
def test_what_does_not_fit_is_no_record(old: str, new: str) -> None:
    body = with_record("text", RECORD)
    assert old in body
    assert read_record(body.replace(old, new, 1)) is None


def test_the_last_one_counts_so_that_text_in_the_body_cannot_be_one() -> None:
    forged = with_record("", Record("other", "3d" * 20, "4e" * 20, "0" * 64))
    read = read_record(with_record(forged, RECORD))
    assert read is not None
    assert read.policy == "fair"


def test_a_body_is_the_same_while_text_and_record_are() -> None:
    body = with_record("text", RECORD)
    assert same_body(body.replace("text", "text that people added to"), body)
    assert not same_body(body, with_record("other text", RECORD))
    assert not same_body("by hand", body)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    read_record(text)
    assert read_record(with_record(text, RECORD)) is not None
