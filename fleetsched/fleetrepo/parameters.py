# SPDX-License-Identifier: Apache-2.0
"""What a schema cannot say of a policy's parameters: types, ranges and values that fit each other."""

from __future__ import annotations

from collections.abc import Iterator

from fleetsched.documents.node import Node
from fleetsched.errors import Problem
from fleetsched.model.policy import Parameter

_RANGES = {"bool": (0, 1)} | {
    f"{sign}{bits}": (0, 2**bits - 1) if sign == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in "us"
    for bits in (8, 16, 32, 64)
}


def check_declared(policy: Node) -> Iterator[Problem]:
    """Check the parameters that a policy declares."""
    declared = policy.get("spec", "parameters")
    for name, parameter in declared.items() if declared is not None else ():
        kind = parameter.value["type"]
        given = [field for field in ("min", "max", "default") if field in parameter.value]
        wrong = [problem for field in given for problem in _fits(name, parameter.at(field), kind)]
        missing = [field for field in ("min", "max") if field not in given and kind != "bool"]
        yield from wrong
        yield from (parameter.problem(f"field `{field}` is missing in `{name}`") for field in missing)
        if not wrong and not missing:
            least, most = _RANGES[kind]
            lowest, highest = parameter.value.get("min", least), parameter.value.get("max", most)
            if lowest > highest:
                yield parameter.at("max").problem(f"`{name}`: max {highest} is below min {lowest}")
            else:
                yield from _between(name, parameter.at("default"), lowest, highest)


def check_value(name: str, node: Node, declared: Parameter) -> Iterator[Problem]:
    """Check a value that a goal gives to a parameter."""
    wrong = list(_fits(name, node, declared.type))
    yield from wrong or _between(name, node, declared.minimum, declared.maximum, declared.unit)


def _fits(name: str, node: Node, kind: str) -> Iterator[Problem]:
    value = node.value
    least, most = _RANGES[kind]
    if kind == "bool" and not isinstance(value, bool):
        yield node.problem(f"`{name}`: expected true or false, got {value}")
    elif kind != "bool" and isinstance(value, bool):
        yield node.problem(f"`{name}`: expected a whole number, got {str(value).lower()}")
    elif not least <= value <= most:
        yield node.problem(f"`{name}`: {value} does not fit {kind} ({least} to {most})")


def _between(name: str, node: Node, lowest: int, highest: int, unit: str = "") -> Iterator[Problem]:
    if not lowest <= node.value <= highest:
        limits = f"{lowest} to {highest} {unit}".rstrip()
        yield node.problem(f"`{name}`: expected {limits}, got {node.value}")
