# SPDX-License-Identifier: Apache-2.0
"""The published schemas are right themselves and say everything an editor shows."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fleetsched import schemas

NAMES = sorted(
    entry.name.removesuffix(".json")
    for entry in resources.files("fleetsched.schemas").iterdir()
    if entry.name.endswith(".json") and entry.name != "helper-protocol.json"
)


CONDITIONS = ("if", "then", "else", "oneOf", "allOf")


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """List every schema within a schema, but those that only choose or narrow others."""
    if isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            if key not in CONDITIONS:
                yield from parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from parts(value)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_schema_with_a_title_and_closed_objects(name: str) -> None:
    schema = schemas.load(name)
    Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert schema["description"]
    if name != "manifest":  # which leaves that to the schema of the kind
        assert [
            part
            for part in parts(schema)
            if "properties" in part and part.get("additionalProperties") is not False
        ] == []


# What a message says in the title's words, because nobody wants to read the rule itself.
NEED_A_TITLE = {"pattern", "minLength", "maxLength", "anyOf", "oneOf"}
WRITTEN_BY_PEOPLE = sorted(set(NAMES) - {"proposal", "plan-records"})


@pytest.mark.parametrize("name", WRITTEN_BY_PEOPLE)
def test_whatever_has_a_form_has_a_title_that_messages_say(name: str) -> None:
    lacking = [
        part
        for part in parts(schemas.load(name))
        if NEED_A_TITLE & part.keys() and "type" in part and not str(part.get("title", ""))[:1].islower()
    ]
    assert lacking == []


# The records of `--json` are described record by record, as the helper's messages are.
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"plan-records"}))
def test_every_field_is_described(name: str) -> None:
    fields = [
        (field, schema)
        for part in parts(schemas.load(name))
        for field, schema in part.get("properties", {}).items()
    ]
    common = schemas.load("common")["$defs"]
    undescribed = [
        field
        for field, schema in fields
        if "description"
        not in (common[schema["$ref"].rpartition("/")[2]] | schema if "$ref" in schema else schema)
    ]
    assert undescribed == []
