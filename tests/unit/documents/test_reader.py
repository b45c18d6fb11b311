# SPDX-License-Identifier: Apache-2.0
"""Reading YAML: what is understood, and what a person sees when it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleetsched.documents import reader
from fleetsched.documents.node import Node, Opaque
from fleetsched.documents.reader import Limits, read_bytes, read_file


def values(text: str, **options: Any) -> list[Any]:
    reading = read_bytes(text.encode(), "f.yaml", **options)
    assert reading.problems == ()
    return [document.value for document in reading.documents]


def problems(data: bytes | str, **options: Any) -> list[str]:
    encoded = data.encode() if isinstance(data, str) else data
    return [str(problem) for problem in read_bytes(encoded, "f.yaml", **options).problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: [x, 'y', 2.5, true, null]\n", {"a": 1, "b": ["x", "y", 2.5, True, None]}),
        ("yes", True),
        ("{port: 0x10, mode: 017, clock: 1:30}", {"port": 16, "mode": 15, "clock": 90}),
        ("{date: 2026-01-02, share: 10%}", {"date": "2026-01-02", "share": "10%"}),
        ("{on: 1, 2: b, null: c, 'a b': d}", {"on": 1, "2": "b", "null": "c", "a b": "d"}),
        ("{a: &x [1], b: *x}", {"a": [1], "b": [1]}),
        ("{n: !!str 1, m: !!int '2'}", {"n": "1", "m": 2}),
        ("\ufeffa: b", {"a": "b"}),
        ("a: |\n  x\n  \ty\n", {"a": "x\n\ty\n"}),
    ],
)
def test_yaml_is_read_as_ansible_reads_it(text: str, expected: Any) -> None:
    assert values(text) == [expected]


def test_own_keys_win_over_merged_ones_and_the_first_merged_over_the_next() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\nd: {'<<': 4}\n"
    assert values(text)[0]["c"] == {"y": 3, "x": 1, "z": 2}
    assert values(text)[0]["d"] == {"<<": 4}


def test_every_document_that_is_not_empty_is_read() -> None:
    assert values("---\na: 1\n---\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]
    assert values("") == []


def test_every_value_and_key_has_its_place() -> None:
    (document,) = read_bytes(b"spec:\n  steps:\n    - {hosts: 1, bake: 30s}\n", "f.yaml").documents
    step = document.at("spec", "steps", 0)
    assert str(step.position) == "f.yaml:3:7"
    assert str(step.key("bake")) == "f.yaml:3:18"
    assert str(step.at("bake").position) == "f.yaml:3:24"


def test_a_tag_that_the_caller_knows_becomes_opaque() -> None:
    text = "a: !vault |\n  $ANSIBLE_VAULT\nb: !vault [1]\n"
    assert values(text, opaque=frozenset({"!vault"})) == [{"a": Opaque("!vault"), "b": Opaque("!vault")}]


BILLION = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: 1\nb: \xe9t\xe9\n", "f.yaml:2:4: not UTF-8: byte 0xe9; save the file as UTF-8"),
        (
            "a: ü\nb: \ud800\n".encode("utf-8", "surrogatepass"),
            "f.yaml:2:4: not UTF-8: byte 0xed; save the file as UTF-8",
        ),
        ("a: b".encode("utf-16"), "f.yaml:1:1: not UTF-8: byte 0xff; save the file as UTF-8"),
        ("a: 1\n\tb: 2\n", "f.yaml:2:1: a tab where YAML allows only spaces: indent with spaces"),
        ("a: 1\nb: x\x00y\n", "f.yaml:2:5: character U+0000 is not allowed in YAML; remove it"),
        ("a: 1\nb: 2\na: 3\n", 'f.yaml:3:1: duplicate key "a", first given in line 1'),
        ("a: 1\n'a': 3\n", 'f.yaml:2:1: duplicate key "a", first given in line 1'),
        ("a: *b\n", "f.yaml:1:4: alias *b names no anchor before it"),
        ("a: &a [*a]\n", "f.yaml:1:8: alias *a stands inside the value that it names"),
        (BILLION, "f.yaml:6:36: more than 1,000,000 values, aliases written out; make it smaller"),
        ("[" * 100, "f.yaml:1:65: nested deeper than 64 levels"),
        (
            "a: !!python/name:os.system x\n",
            "f.yaml:1:4: `!!python/name:os.system`: tags that name code are never run; write the plain value",
        ),
        (
            "a: !vault x\n",
            "f.yaml:1:4: `!vault`: encrypted values are not supported here; write the plain value",
        ),
        ("a: !!set {x}\n", "f.yaml:1:4: `!!set`: tags are not supported; write the plain value"),
        ("!x a: 1\n", "f.yaml:1:1: `!x`: tags are not supported; write the plain value"),
        ("a: !!int b\n", 'f.yaml:1:4: "b" cannot be read as int; quote it if it is text'),
        ("a: 0b_\n", 'f.yaml:1:4: "0b_" cannot be read as int; quote it if it is text'),
        ("a: .inf\n", "f.yaml:1:4: expected a finite number, got .inf"),
        ("[a]: 1\n", "f.yaml:1:1: a key must be text"),
        ("'': 1\n", "f.yaml:1:1: a key is empty"),
        ("a: {<<: 1}\n", "f.yaml:1:9: `<<` merges mappings, got 1"),
        (
            "a: [1\nb: 2\n",
            "f.yaml:2:2: not YAML: did not find expected ',' or ']' while parsing a flow sequence",
        ),
        ("a: b: c\n", "f.yaml:1:5: not YAML: mapping values are not allowed in this context"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(data: bytes | str, expected: str) -> None:
    assert problems(data) == [expected]


def test_all_mistakes_of_a_file_are_found_at_once() -> None:
    assert len(problems("a: 1\na: 2\nb: !x 3\nc: .nan\n")) == 3


def test_documents_before_the_unreadable_place_are_kept() -> None:
    reading = read_bytes(b"a: 1\n---\nb: [\n", "f.yaml")
    assert [document.value for document in reading.documents] == [{"a": 1}]
    assert len(reading.problems) == 1


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("a: " + "x" * 100)
    (problem,) = read_file(file, "f.yaml", limits=Limits(bytes=50)).problems
    assert str(problem) == "f.yaml: is larger than 50 bytes"


def test_a_file_that_is_gone_is_a_problem(tmp_path: Path) -> None:
    (problem,) = read_file(tmp_path / "f.yaml", "f.yaml").problems
    assert str(problem) == "f.yaml: cannot be read: No such file or directory"


def test_the_parser_in_python_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_LOADER", yaml.SafeLoader)
    assert values("{a: &x [1], b: *x}") == [{"a": [1], "b": [1]}]
    assert problems("a: 1\n\tb: 2\n") == [
        "f.yaml:2:1: a tab where YAML allows only spaces: indent with spaces"
    ]
    assert len(problems('a: "\\UFFFFFFFF"\n')) == 1


YAML_LIKE = st.text(alphabet="ab:-[]{}&*!<>|'\"\\#%@`,? \n\t01.~=x_", max_size=60)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=80), YAML_LIKE.map(str.encode), st.text(max_size=40).map(str.encode)))
@example(b"%YAML 1.2\n--- a")
@example(b"--- !<tag:yaml.org,2002:python/name:os.system> x")
@example(b"? [a, b]\n: c")
@example(b"<<: {a: 1}\n<<: {b: 2}")
def test_whatever_the_bytes_they_are_read_or_named(data: bytes) -> None:
    reading = read_bytes(data, "f.yaml")
    assert all(problem.file == "f.yaml" and problem.line > 0 for problem in reading.problems)
    for document in reading.documents:
        check_places(document)


def check_places(node: Node) -> None:
    assert node.position.line > 0
    assert node.position.column > 0
    assert set(node.children) == (
        set(node.value) if isinstance(node.value, dict) else set(range(len(node.children)))
    )
    for child in node.children.values():
        check_places(child)
