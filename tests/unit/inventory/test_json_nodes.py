# SPDX-License-Identifier: Apache-2.0
"""JSON as inventories have it: the same values as Python's reader, with places, and never an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.documents.reader import Limits
from fleetsched.inventory.json_nodes import read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def read(text: str, limits: Limits | None = None) -> tuple[list[Any], list[str]]:
    reading = read_json(text.encode("utf-8", "surrogatepass"), "x.json", limits=limits or Limits())
    return [document.value for document in reading.documents], [str(each) for each in reading.problems]


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_values_are_those_of_pythons_reader(value: Any, ascii_only: bool, indent: Any) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    reading = read_json(text.encode("utf-8", "surrogatepass"), "x.json", limits=Limits())
    if not reading.problems:  # a lone surrogate is no UTF-8
        assert reading.documents[0].value == json.loads(text)
    else:
        assert not ascii_only


@given(st.binary(max_size=200))
def test_whatever_the_bytes_it_is_read_or_refused_with_a_place(data: bytes) -> None:
    reading = read_json(data, "x.json", limits=Limits())
    assert reading.documents or reading.problems
    assert all(str(problem).startswith("x.json") for problem in reading.problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, "a": 2}', 'x.json:1:10: duplicate key "a", first given in line 1'),
        ('{"a": 1\n "b": 2}', 'x.json:2:2: not JSON: expected ",", got """'),
        ("[1,]", 'x.json:1:4: not JSON: expected a value, got "]"'),
        ('{"a" 1}', 'x.json:1:6: not JSON: expected ":", got "1"'),
        ('"a\nb"', "x.json:1:1: not JSON: the text is not closed or has a wrong character"),
        ("1e999", "x.json:1:1: not JSON: expected a finite number, got 1e999"),
        ("9" * 401, "x.json:1:1: not JSON: a number of more than 400 digits"),
        ("{} {}", "x.json:1:4: not JSON: expected the end of the file"),
        ("", "x.json:1:1: not JSON: expected a value, got nothing"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, problem: str) -> None:
    assert read(text)[1] == [problem]


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(bytes=5), "x.json: is larger than 5 bytes"),
        (Limits(values=2), "x.json:1:6: not JSON: more than 2 values; make it smaller"),
        (Limits(depth=2), "x.json:1:3: not JSON: nested deeper than 2 levels"),
    ],
)
def test_limits_are_kept(limits: Limits, problem: str) -> None:
    assert read("[[[1], 2]]" if limits.depth == 2 else "[1,  2, 3]", limits)[1] == [problem]


def test_what_ansible_writes_for_values_it_does_not_show_is_understood() -> None:
    encrypted = {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n3132\n"}
    ((value,), problems) = read(json.dumps({"key": encrypted, "raw": {"__ansible_unsafe": "{{ x }}"}}))
    assert (value["raw"], problems) == ("{{ x }}", [])
    assert value["key"].tag == "!vault"
