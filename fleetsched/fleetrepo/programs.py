# SPDX-License-Identifier: Apache-2.0
"""What a schema cannot say of a policy of `kind: program`: its arguments' parameters, and its lock."""

from __future__ import annotations

from collections.abc import Iterator

from fleetsched.documents.node import Node, shown
from fleetsched.errors import Problem
from fleetsched.model.lock import PolicyLock
from fleetsched.model.policy import Policy
from fleetsched.model.program import REFERENCE
from fleetsched.model.suggest import suggestion


def check_program(document: Node) -> Iterator[Problem]:
    """Check the program of a Policy; nothing where it has none."""
    program = document.get("spec", "program")
    if program is None:
        return
    for name, inputs in _items(document.get("spec", "variants")):
        if name != "default" or inputs.value:
            yield inputs.problem(
                "a program has no variants, nothing of it is built here: use parameters in its arguments"
            )
    parameters = _items(document.get("spec", "parameters"))
    used: set[str] = set()
    for _, argument in _items(program.get("arguments")):
        names = {found[1] for found in REFERENCE.finditer(argument.value)}
        used |= names
        if "{{" in REFERENCE.sub("", argument.value):
            yield argument.problem("only `{{ parameters.NAME }}` may stand between double braces")
        for name in sorted(names - dict(parameters).keys()):
            near = suggestion(name, dict(parameters))
            yield argument.problem(f"there is no parameter {shown(name)}{near}")
    for name, parameter in parameters:
        if name not in used:
            yield parameter.problem(
                f"{shown(name)} is in none of the program's arguments: it would do nothing"
            )


def lock_mismatch(policy: Policy, lock: PolicyLock) -> str:
    """Say in a few words why a lock is not this policy's, as far as can be told without building."""
    wanted, locked = policy.program, lock.program
    if wanted is None or locked is None:
        if wanted is None and locked is None:
            return ""
        return f"the lock is of {'an object' if wanted else 'a program'}, the policy is not"
    return (
        "" if wanted.path == locked.path else f"the lock is of {locked.path}, the policy says {wanted.path}"
    )


def renewal(policy: Policy) -> str:
    """The command that locks this policy."""
    if policy.program is None:
        return f"fleetsched lock {policy.name}"
    return f"fleetsched lock {policy.name} --program FILE --program-version VERSION"


def _items(node: Node | None) -> list[tuple[str, Node]]:
    if node is None:
        return []
    return [(str(name), child) for name, child in node.children.items()]
