# SPDX-License-Identifier: Apache-2.0
"""Writing a policy into a goal's manifest: every other byte of the file stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import yaml

from fleetsched.documents.node import Node
from fleetsched.documents.reader import read_bytes
from fleetsched.errors import InputError
from fleetsched.model.evidence import Scalar
from fleetsched.model.position import Position

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_VARIANT = "default"
_BOM = b"\xef\xbb\xbf"


def bind(
    data: bytes,
    file: str,
    goal: str,
    policy: str,
    *,
    variant: str = _VARIANT,
    parameters: Mapping[str, Scalar] = MappingProxyType({}),
) -> bytes:
    """Set `spec.policy` of a goal.

    Args:
        data: the manifest file, with any number of documents.
        file: how messages name it.
        goal: the goal's name.
        policy: the policy's name.
        variant: of the policy.
        parameters: those that the goal sets; the others keep the policy's defaults.

    Raises:
        InputError: the file cannot be edited so; the message says what to write by hand.
    """
    before = _goal(data, file, goal)
    if before is None:
        raise InputError(f"{file}: has no goal {goal} that can be read")
    text = data.decode("utf-8-sig")
    bound = before.get("spec", "policy") is not None
    said: dict[str, Any] = {"name": policy}
    if variant != _VARIANT:
        said["variant"] = variant
    if parameters:
        said["parameters"] = dict(parameters)
    edited = _replace(text, goal, said) if bound else _insert(text, before, said)
    written = (_BOM if data.startswith(_BOM) else b"") + edited.encode()
    # What was written is read again: only this may have changed, whatever style the file is in.
    after = _goal(written, file, goal)
    wanted = {**before.value, "spec": {**before.value["spec"], "policy": said}}
    if after is None or after.value != wanted or _others(data, before) != _others(written, after):
        raise InputError(
            f"{before.at('spec').position}: the policy cannot be written into this file",
            remedy=f"write it by hand: policy: {_flow(said)}",
        )
    return written


def _goal(data: bytes, file: str, goal: str) -> Node | None:
    reading = read_bytes(data, file)
    if reading.problems:
        return None
    for document in reading.documents:
        is_goal = isinstance(document.value, dict) and document.value.get("kind") == "WorkloadGoal"
        if is_goal and document.at("metadata", "name").value == goal:
            return document
    return None


def _others(data: bytes, goal: Node) -> list[Any]:
    return [each.value for each in read_bytes(data, "").documents if each.value != goal.value]


def _flow(said: Mapping[str, Any]) -> str:
    """Names and numbers, as one writes them on a line."""
    return f"{{{', '.join(f'{name}: {_scalar(value)}' for name, value in said.items())}}}"


def _scalar(value: Any) -> str:
    if isinstance(value, Mapping):
        return _flow(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _insert(text: str, goal: Node, said: Mapping[str, Any]) -> str:
    spec = goal.at("spec")
    place = spec.key("rollout" if "rollout" in spec.keys else "hostGroup")
    lines = text.splitlines(keepends=True)
    line = lines[place.line - 1]
    indent = line[: place.column - 1]
    if _is_flow(lines, spec.position):
        at = place.column - 1
        lines[place.line - 1] = f"{line[:at]}policy: {_flow(said)}, {line[at:]}"
    elif not indent.strip():
        ending = "\r\n" if line.endswith("\r\n") else "\n"
        lines.insert(place.line - 1, f"{indent}policy: {_flow(said)}{ending}")
    return "".join(lines)


def _is_flow(lines: list[str], position: Position) -> bool:
    return lines[position.line - 1][position.column - 1 : position.column] == "{"


def _replace(text: str, goal: str, said: Mapping[str, Any]) -> str:
    """Put a binding in place of the old one, whose variant and parameters go with it."""
    # Where values end is not among what nodes keep; the reader has bounded the file before.
    for document in yaml.compose_all(text, Loader=_LOADER):
        name = _value(_value(document, "metadata"), "name")
        value = _value(_value(document, "spec"), "policy")
        if name is not None and name.value == goal and isinstance(value, yaml.MappingNode):
            old = _value(value, "name")
            if old is not None and len(value.value) == len(said) == 1:
                return text[: old.start_mark.index] + str(said["name"]) + text[old.end_mark.index :]
            new = _flow(said) if value.flow_style else _block(said, value.start_mark.column, text)
            return text[: value.start_mark.index] + new + text[_end(value) :]
    return text


def _block(said: Mapping[str, Any], column: int, text: str) -> str:
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = [f"{name}: {_scalar(value)}" for name, value in said.items()]
    return f"{ending}{' ' * column}".join(lines)


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _end(node: yaml.Node) -> int:
    """Where a value ends; a block's own mark lies behind the comments and empty lines that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        inside = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        return max(map(_end, inside))
    return int(node.end_mark.index)
