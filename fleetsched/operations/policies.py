# SPDX-License-Identifier: Apache-2.0
"""A policy, and values of its parameters, by what a person calls them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fleetsched.errors import InputError
from fleetsched.fleetrepo.load import load_policy
from fleetsched.fleetrepo.policies import POLICY_FILE
from fleetsched.model.policy import Policy
from fleetsched.model.suggest import suggestion
from fleetsched.shipped import shipped_root


def policy_folder(root: Path | None, name: str) -> Path:
    """Find a policy's folder: one that is given as a path (with a `/`), else by its name.

    Args:
        root: the fleet repository around, if there is one: its policies come before the catalogue's.
        name: what a person calls it.

    Raises:
        InputError: there is none.
    """
    if "/" in name:
        if not (Path(name) / POLICY_FILE).is_file():
            raise InputError(f"{name} is no policy: it has no {POLICY_FILE}")
        return Path(name).resolve()
    roots = dict.fromkeys(each.resolve() for each in (root, shipped_root()) if each is not None)
    known: dict[str, Path] = {}
    for each in roots:
        for file in sorted(each.glob(f"policies/*/{POLICY_FILE}")):
            known.setdefault(file.parent.name, file.parent)
    if name not in known:
        raise InputError(
            f"no policy {name!r}{suggestion(name, known)}",
            remedy=f"`fleetsched policy list` shows the catalogue; another is a folder with a {POLICY_FILE}",
        )
    return known[name]


def find_policy(root: Path | None, name: str) -> Policy:
    """Find a policy as `policy_folder` does, and read it.

    Raises:
        InputError: there is none.
        ProblemsError: its manifest is wrong.
    """
    return load_policy(policy_folder(root, name))


def parameters_of(policy: Policy, given: Mapping[str, str]) -> dict[str, int]:
    """Read parameters of the command line.

    Raises:
        InputError: there is no such parameter, or the value is out of its range.
    """
    return {name: _value(policy, name, text) for name, text in given.items()}


def _value(policy: Policy, name: str, text: str) -> int:
    declared = policy.parameters.get(name)
    if declared is None:
        near = suggestion(name, policy.parameters)
        raise InputError(f"policy {policy.name} has no parameter {name!r}{near}")
    words = {"false": 0, "true": 1} if declared.type == "bool" else {}
    try:
        value = words[text] if text in words else int(text)
    except ValueError:
        value = declared.minimum - 1
    if not declared.minimum <= value <= declared.maximum:
        raise InputError(
            f"policy {policy.name}: {name} is {declared.minimum} to {declared.maximum}, got {text!r}"
        )
    return value
