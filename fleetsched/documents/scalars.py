# SPDX-License-Identifier: Apache-2.0
"""YAML 1.1's scalars to plain values, without PyYAML's way from tags to code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from fleetsched.documents.node import shown

PLAIN = "tag:yaml.org,2002:"
"""What YAML's own tags begin with."""

_RESOLVER: Any = Resolver()
_CONSTRUCTOR = SafeConstructor()


def _text(node: yaml.ScalarNode) -> str:
    return str(node.value)


_CONSTRUCT: dict[str, Callable[[yaml.ScalarNode], Any]] = {
    PLAIN + "null": lambda node: None,
    PLAIN + "bool": lambda node: _CONSTRUCTOR.bool_values[node.value.lower()],
    PLAIN + "int": _CONSTRUCTOR.construct_yaml_int,
    PLAIN + "float": _CONSTRUCTOR.construct_yaml_float,
    PLAIN + "str": _text,
    # What these mean elsewhere is not wanted here; as text they can be shown, compared and refused.
    PLAIN + "timestamp": _text,
    PLAIN + "value": _text,
    PLAIN + "merge": _text,
}
KNOWN_TAGS = frozenset(_CONSTRUCT)


def resolve(tag: str | None, text: str, implicit: tuple[bool, bool]) -> str:
    """Say what a scalar is: what its tag says, else what its text looks like."""
    if tag is not None and tag != "!":
        return tag
    return str(_RESOLVER.resolve(yaml.ScalarNode, text, implicit))


def construct(tag: str, text: str) -> Any:
    """Make the plain value of a scalar.

    Raises:
        ValueError: the text is none of its tag, or no finite number; the message says so to a person.
    """
    try:
        value = _CONSTRUCT[tag](yaml.ScalarNode(tag, text))
    except (ValueError, KeyError, OverflowError, IndexError) as error:
        kind = tag.removeprefix(PLAIN)
        raise ValueError(f"{shown(text)} cannot be read as {kind}; quote it if it is text") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {text}")
    return value
