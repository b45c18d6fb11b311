# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.agent.foreign import LONGEST_TEXT, MOST_ENTRIES, as_data, bounded, bounded_values, paragraphs

KEY = "sk-ant-" + "a" * 20
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=900),
    lambda inner: st.lists(inner, max_size=80) | st.dictionaries(st.text(max_size=20), inner, max_size=80),
    max_leaves=100,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx: worker", "nginx: worker"),
        ("a\nb\tc", "a b c"),
        ("\x1b[2Jgone", "?[2Jgone"),
        ("right\u202eto left", "right?to left"),
        ("zero\u200bwidth", "zero?width"),
        (f"key {KEY}", "key [redacted]"),
        ("x" * 500, "x" * 394 + " [cut]"),
        ("", ""),
    ],
)
def test_text_is_one_bounded_printable_line_without_secrets(text: str, expected: str) -> None:
    assert bounded(text) == expected


def test_a_model_may_write_several_lines() -> None:
    assert paragraphs("one\n\ntwo\x07") == "one\n\ntwo?"


def test_a_key_of_several_lines_is_one_secret() -> None:
    begin, end = (f"-----{word} PRIVATE KEY-----" for word in ("BEGIN", "END"))
    assert paragraphs(f"see\n{begin}\nMIIEvQIBADAN\nggSjAgEAAoIB\n{end}\nwell") == "see\n[redacted]\nwell"


@given(_json)
def test_nothing_within_data_ends_it(value: Any) -> None:
    text = as_data(value)
    assert text.startswith("<data>\n")
    assert text.endswith("\n</data>")
    inner = text[len("<data>\n") : -len("\n</data>")]
    assert "<" not in inner
    assert json.loads(inner) == bounded_values(value)


@given(_json)
def test_every_text_and_list_in_data_is_bounded(value: Any) -> None:
    def check(seen: Any) -> None:
        if isinstance(seen, str):
            assert len(seen) <= LONGEST_TEXT
            assert seen.isprintable()
        elif isinstance(seen, dict | list):
            assert len(seen) <= MOST_ENTRIES
            for inner in [*seen, *(seen.values() if isinstance(seen, dict) else ())]:
                check(inner)

    check(bounded_values(value))
