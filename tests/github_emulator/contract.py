# SPDX-License-Identifier: Apache-2.0
"""A forge's OpenAPI description: which requests there are, and what requests and answers look like."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

_FILE = Path(__file__).parents[1] / "data" / "github" / "openapi.json"
_NAME = "urn:forge"
_FORMATS = {"date-time": "2026-01-01T00:00:00Z", "uri": "https://forge.example/x", "email": "a@example.test"}


@dataclass(frozen=True)
class Operation:
    """One method of one path, with the values of the path's parameters."""

    name: str
    description: dict[str, Any]
    values: dict[str, str]


class Contract:
    """A description, as a judge."""

    def __init__(self, file: Path = _FILE) -> None:
        # A schema is validated on its own, so what it refers to needs a name of its own.
        self._document = json.loads(file.read_text().replace('"#/components', f'"{_NAME}#/components'))
        resource = Resource.from_contents(self._document, default_specification=DRAFT4)
        self._registry = Registry().with_resource(_NAME, resource)

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that a request is for."""
        for template, methods in self._document["paths"].items():
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            match = re.fullmatch(pattern, path)
            if match and method.lower() in methods:
                name = methods[method.lower()]["operationId"]
                return Operation(name, methods[method.lower()], match.groupdict())
        return None

    def wrong_request(self, operation: Operation, query: dict[str, str], body: Any) -> list[str]:
        """What is wrong with a request, by its parameters and its body."""
        parameters = [self.resolved(each) for each in operation.description.get("parameters", [])]
        by_name = {each["name"]: each for each in parameters if each["in"] == "query"}
        wrong = [f"no parameter {name}" for name in query if name not in by_name]
        for name, text in query.items():
            schema = by_name.get(name, {}).get("schema", {})
            value = int(text) if schema.get("type") == "integer" else text
            wrong += self._errors(schema, value)
        content = operation.description.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if body is not None and schema is None:
            wrong.append("no body is taken")
        elif schema is not None and body is not None:
            wrong += self._errors(schema, body)
            known = self.resolved(schema).get("properties")
            wrong += [f"no field {name}" for name in body if known is not None and name not in known]
        return wrong

    def wrong_answer(self, operation: Operation, status: int, body: Any) -> list[str]:
        """What is wrong with an answer."""
        responses = operation.description["responses"]
        if str(status) not in responses:
            # What GitHub answers wherever the token, its limit or GitHub itself is in the way.
            return [] if status in (401, 403, 404, 500, 502) else [f"no answer {status}"]
        content = self.resolved(responses[str(status)]).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        return [] if schema is None else self._errors(schema, body)

    def fields(self, operation: Operation, status: int) -> set[str]:
        """The names that an answer, or each of a list, is described to have."""
        schema = self.resolved(operation.description["responses"][str(status)])["content"]
        schema = self.resolved(schema["application/json"]["schema"])
        return set(self.resolved(schema.get("items", schema))["properties"])

    def sample(self, operation: Operation, status: int) -> Any:
        """The least that fits an answer's schema; of a list, what one of its items is."""
        content = self.resolved(operation.description["responses"][str(status)])["content"]
        schema = self.resolved(content["application/json"]["schema"])
        return self.instance(schema.get("items", schema))

    def instance(self, schema: Any) -> Any:
        """The least that fits a schema; what may be null is null unless it is an object."""
        return copy.deepcopy(self._instance(json.dumps(schema)))

    @cache  # noqa: B019 - there is one contract, for as long as the tests run
    def _instance(self, text: str) -> Any:
        schema = self.resolved(json.loads(text))
        for several in ("allOf", "anyOf", "oneOf"):
            if several in schema:
                return self.instance(schema[several][0])
        if schema.get("nullable") and schema.get("type", "object") != "object":
            return None
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type", "object"):
            case "object":
                fields = schema.get("properties", {})
                return {name: self.instance(fields[name]) for name in schema.get("required", [])}
            case "array":
                return []
            case "string":
                return _FORMATS.get(schema.get("format", ""), "x")
            case "boolean":
                return False
        return 1

    def resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        """A part of the description, or what it refers to."""
        while "$ref" in value:
            kind, name = value["$ref"].split("/")[-2:]
            value = self._document["components"][kind][name]
        return value

    def _errors(self, schema: Any, value: Any) -> list[str]:
        validator = OAS30Validator(schema, registry=self._registry)
        return [
            f"{list(error.absolute_path)}: {error.message[:200]}" for error in validator.iter_errors(value)
        ]


@cache
def contract() -> Contract:
    """GitHub's contract, the one of this process: reading it takes a moment."""
    return Contract()
