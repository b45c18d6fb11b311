# SPDX-License-Identifier: Apache-2.0
"""Writing a policy into a goal's manifest: every other byte of the file stays as it is."""

from __future__ import annotations

from fleetsched.documents.node import Node
from fleetsched.documents.reader import read_bytes
from fleetsched.errors import InputError
from fleetsched.model.manifests import Position


def bind(data: bytes, file: str, goal: str, policy: str) -> bytes:
    """Set `spec.policy` of a goal that has none.

    Args:
        data: the manifest file, with any number of documents.
        file: how messages name it.
        goal: the goal's name.
        policy: the policy's name.

    Raises:
        InputError: the file cannot be edited so; the message says what to write by hand.
    """
    before = _goal(data, file, goal)
    if before is None:
        raise InputError(f"{file}: has no goal {goal} that can be read")
    if before.get("spec", "policy") is not None:
        raise InputError(f"{file}: goal {goal} has a policy already")
    edited = _insert(data, before, policy)
    # What was written is read again: only this may have changed, whatever style the file is in.
    after = _goal(edited, file, goal)
    wanted = {**before.value, "spec": {**before.value["spec"], "policy": {"name": policy}}}
    others = [
        document.value for document in read_bytes(data, file).documents if document.value != before.value
    ]
    if (
        after is None
        or after.value != wanted
        or others
        != [
            document.value for document in read_bytes(edited, file).documents if document.value != after.value
        ]
    ):
        raise InputError(
            f"{before.at('spec').position}: the policy cannot be written into this file",
            remedy=f"write it by hand: policy: {{name: {policy}}}",
        )
    return edited


def _goal(data: bytes, file: str, goal: str) -> Node | None:
    reading = read_bytes(data, file)
    if reading.problems:
        return None
    for document in reading.documents:
        is_goal = isinstance(document.value, dict) and document.value.get("kind") == "WorkloadGoal"
        if is_goal and document.at("metadata", "name").value == goal:
            return document
    return None


def _insert(data: bytes, goal: Node, policy: str) -> bytes:
    spec = goal.at("spec")
    place = spec.key("rollout" if "rollout" in spec.keys else "hostGroup")
    text = data.decode("utf-8-sig")
    lines = text.splitlines(keepends=True)
    line = lines[place.line - 1]
    indent = line[: place.column - 1]
    if _is_flow(lines, spec.position):
        at = place.column - 1
        lines[place.line - 1] = f"{line[:at]}policy: {{name: {policy}}}, {line[at:]}"
    elif not indent.strip():
        ending = "\r\n" if line.endswith("\r\n") else "\n"
        lines.insert(place.line - 1, f"{indent}policy: {{name: {policy}}}{ending}")
    mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    return mark + "".join(lines).encode()


def _is_flow(lines: list[str], position: Position) -> bool:
    return lines[position.line - 1][position.column - 1 : position.column] == "{"
