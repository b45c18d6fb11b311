# SPDX-License-Identifier: Apache-2.0
"""Nodes against the published schemas, with messages for people instead of the validator's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.protocols import Validator
from referencing import Registry, Resource

from fleetsched import schemas
from fleetsched.documents.node import Node, shown
from fleetsched.errors import Problem
from fleetsched.model.suggest import suggestion

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}

# For what has no title; the schemas of what people write give everything with a form its title.
_LIMITS = {
    "pattern": "text of the form {}",
    "minLength": "text",
    "maxLength": "at most {} characters",
    "minItems": "{} or more here",
    "minProperties": "{} or more here",
    "maxProperties": "{} or fewer here",
}


def check(node: Node, schema: str) -> list[Problem]:
    """Compare a document with a schema.

    Args:
        node: the document.
        schema: name of a file of `fleetsched/schemas`.

    Returns:
        One problem a mistake, in the order of the file.
    """
    by_place: dict[tuple[str | int, ...], list[ValidationError]] = defaultdict(list)
    for error in _validator(schema).iter_errors(node.value):
        by_place[tuple(error.absolute_path)].append(error)
    refused = [path for path, errors in by_place.items() if any(map(_is_refusal, errors))]
    found: set[Problem] = set()
    for path, errors in by_place.items():
        # What is to be removed is not to be mended as well.
        within = [above for above in refused if path[: len(above)] == above]
        found.update(_problems(node, path, list(filter(_is_refusal, errors)) if within else errors))
    return sorted(found)


def _is_refusal(error: ValidationError) -> bool:
    return bool(error.validator == "x-refused")


def _problems(document: Node, path: tuple[str | int, ...], errors: list[Any]) -> Iterator[Problem]:
    """Tell the mistakes of one value, each once: a misspelt field is not also a missing one."""
    node = document.at(*path)
    unknown = [
        name for error in errors if error.validator == "additionalProperties" for name in _unknown(error)
    ]
    wrong_type = any(error.validator == "type" for error in errors)
    for error in errors:
        if error.validator == "additionalProperties":
            for name in _unknown(error):
                known = error.schema.get("properties", {})
                yield node.key(name).problem(f"unknown field {shown(name)}{suggestion(name, known)}")
        elif error.validator == "x-refused":
            place = (
                document.at(*path[:-1]).key(path[-1]) if path and isinstance(path[-1], str) else node.position
            )
            yield place.problem(error.message)
        elif error.validator == "propertyNames" or (
            error.parent and error.parent.validator == "propertyNames"
        ):
            yield node.key(error.instance).problem(
                f"expected {_expected(error)}, got {shown(error.instance)}"
            )
        elif error.validator == "dependentRequired":
            needed = {name for names in error.validator_value.values() for name in names}
            for name in sorted(needed - set(error.instance)):
                yield node.problem(f"field `{name}` is missing")
        elif error.validator in ("required", "oneOf") and (unknown or wrong_type):
            continue
        elif error.validator == "required":
            where = f" in `{path[-1]}`" if path and isinstance(path[-1], str) else ""
            yield node.problem(f"field `{error.message}` is missing{where}")
        elif error.validator == "uniqueItems":
            yield from _repeated(node)
        else:
            yield node.problem(_mismatch(error))


def _repeated(node: Node) -> Iterator[Problem]:
    seen: set[str] = set()
    for item in node.children.values():
        text = repr(item.value)
        if text in seen:
            yield item.problem(f"{shown(item.value)} is listed twice")
        seen.add(text)


def _unknown(error: Any) -> list[str]:
    known = error.schema.get("properties", {})
    return [name for name in error.instance if name not in known]


def _mismatch(error: Any) -> str:
    got = shown(error.instance)
    limit = error.validator_value
    if error.validator in ("enum", "const"):
        allowed = [str(value) for value in ([limit] if error.validator == "const" else limit)]
        near = suggestion(str(error.instance), allowed) if len(allowed) > 1 else ""
        return f"expected {' or '.join(allowed)}, got {got}{near if 'did you mean' in near else ''}"
    if error.validator == "oneOf" and "title" in error.schema:
        return f"expected {error.schema['title']}"
    if error.validator == "minimum":
        return f"expected {limit} or more, got {got}"
    if error.validator == "maximum":
        return f"expected {limit} or less, got {got}"
    if error.validator == "exclusiveMinimum":
        return f"expected more than {limit}, got {got}"
    if error.validator in ("minItems", "minProperties") and not error.instance:
        got = "an empty list" if error.validator == "minItems" else "an empty mapping"
    return f"expected {_expected(error)}, got {got}"


def _expected(error: Any) -> str:
    title = error.schema.get("title")
    if isinstance(title, str) and not title.startswith("exactly one") and title[:1].islower():
        return title
    if error.validator == "type":
        types = error.validator_value
        return " or ".join(_TYPES[name] for name in ([types] if isinstance(types, str) else types))
    limit = error.validator_value
    return _LIMITS.get(error.validator, "something else").format(limit)


def _refused(
    validator: Validator, message: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """Refuse, with its message, whatever stands where the schema says `x-refused`."""
    yield ValidationError(message)


def _pattern(
    validator: Validator, pattern: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """Match as ECMAScript does: `$` is the end; Python's also matches before a last newline."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"does not match {pattern}")


def _required(
    validator: Validator, names: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """Name each missing field; the message is its name."""
    if isinstance(instance, Mapping):
        yield from (ValidationError(name) for name in names if name not in instance)


_KEYWORDS = {"x-refused": _refused, "pattern": _pattern, "required": _required}
_Validator: Any = validators.extend(Draft202012Validator, _KEYWORDS)  # type: ignore[no-untyped-call]


@cache
def _validator(schema: str) -> Any:
    common = Resource.from_contents(schemas.load("common"))
    registry: Registry[Any] = Registry().with_resource("common.json", common)
    return _Validator(schemas.load(schema), registry=registry)
