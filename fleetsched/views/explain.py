# SPDX-License-Identifier: Apache-2.0
"""What may be written where, from the schemas, as text for 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from fleetsched.model.metrics import FEATURES, METRICS
from fleetsched.views.plan import WIDTH

Schema = Mapping[str, Any]


def kinds_text(kinds: Mapping[str, str]) -> str:
    """The kinds with what each is for."""
    lines = [f"{kind:<18}{doc}" for kind, doc in kinds.items()]
    lines += [
        f"{'metrics':<18}Metrics that goals may name.",
        f"{'features':<18}Features that policies may suit.",
    ]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent=" " * 18) for line in lines)


def field_text(path: str, schema: Schema, *, required: bool) -> str:
    """One field: its type, what it is for, and the fields below it."""
    lines = [_fill(f"{path} <{type_of(schema)}>{' required' if required else ''}", "", "    "), ""]
    lines += [_fill(text, "  ") for text in _described(schema)]
    below = list(_fields(schema))
    if below:
        lines += ["", "fields:"]
        for name, each, needed in below:
            marks = f"{' required' if needed else ''}{', not yet' if 'x-refused' in each else ''}"
            lines.append(f"  {name} <{type_of(each)}>{marks}")
            lines += [_fill(text, "      ") for text in list(_described(each))[:1]]
    return "\n".join(lines)


def type_of(schema: Schema) -> str:
    """A field's type in a word or two."""
    if "x-refused" in schema and "type" not in schema and "enum" not in schema:
        return "not supported yet"
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(type_of, schema["anyOf"])))
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " | ".join(kind)
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    if (
        kind == "object"
        and "properties" not in schema
        and isinstance(schema.get("additionalProperties"), Mapping)
    ):
        return f"mapping to {type_of(schema['additionalProperties'])}"
    return "mapping" if kind == "object" else str(kind)


def _described(schema: Schema) -> Iterator[str]:
    if "description" in schema:
        yield schema["description"]
    title = schema.get("title", "")
    if title[:1].islower():
        yield f"Expected: {title}."
    if "default" in schema:
        yield f"Default: {_shown(schema['default'])}."
    for name, word in (("minimum", "at least"), ("exclusiveMinimum", "more than"), ("maximum", "at most")):
        if name in schema:
            yield f"Limit: {word} {schema[name]}."
    if "x-refused" in schema:
        yield f"Not yet: {schema['x-refused']}."


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fields(schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    holder = schema.get("items", schema) if schema.get("type") == "array" else schema
    extra = holder.get("additionalProperties")
    if "properties" not in holder and isinstance(extra, Mapping) and "properties" in extra:
        holder = extra
    for name, field in holder.get("properties", {}).items():
        yield name, field, name in holder.get("required", ())


def _fill(text: str, indent: str, further: str | None = None) -> str:
    further = indent if further is None else further
    return textwrap.fill(
        text, WIDTH, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False
    )


def metrics_text() -> str:
    """Every metric that a goal may name."""
    lines = [f"{'metric':<26}{'unit':<6}{'better':<10}source"]
    for name, metric in METRICS.items():
        lines.append(f"{name:<26}{metric.unit:<6}{metric.better:<10}{metric.source}")
        lines.append(_fill(metric.doc, "    "))
    lines += ["", "Metrics that a Workload manifest declares may be named, too."]
    return "\n".join(lines)


def features_text() -> str:
    """Every feature that a policy may give a weight in `suitability`."""
    return "\n".join(
        line
        for name, feature in FEATURES.items()
        for line in (f"{name:<20}{feature.unit}", _fill(feature.doc, "    "))
    )
