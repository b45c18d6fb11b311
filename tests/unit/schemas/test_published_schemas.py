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


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_schema_with_a_title_and_closed_objects(name: str) -> None:
    schema = schemas.load(name)
    Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert schema["description"]
    assert all(part["additionalProperties"] is False for part in objects(schema))
