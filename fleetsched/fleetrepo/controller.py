# SPDX-License-Identifier: Apache-2.0
"""The controller's own configuration file. It is never looked for in a fleet repository."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from fleetsched.documents.check import check
from fleetsched.documents.node import Node
from fleetsched.documents.reader import read_file
from fleetsched.errors import InputError, Problem, ProblemsError
from fleetsched.fleetrepo.decode_controller import controller
from fleetsched.model.controller import Controller
from fleetsched.model.position import Position

VARIABLE = "FLEETSCHED_CONFIG"
_SYSTEM = Path("/etc/fleetsched/config.yaml")
_SETTINGS = {
    "FLEETSCHED_TRUST_REMOTE": ("trust", "remote"),
    "FLEETSCHED_TRUST_BRANCH": ("trust", "branch"),
    "FLEETSCHED_TRUST_ALLOWED_SIGNERS": ("trust", "allowedSigners"),
    "FLEETSCHED_TRUST_REVOKED_KEYS": ("trust", "revokedKeys"),
    "FLEETSCHED_SSH_USER": ("ssh", "user"),
    "FLEETSCHED_SSH_KEY_FILE": ("ssh", "keyFile"),
    "FLEETSCHED_SSH_CONNECT_TIMEOUT": ("ssh", "connectTimeout"),
    "FLEETSCHED_FORKS": ("ssh", "forks"),
    "FLEETSCHED_SIGN_KEY": ("sign", "key"),
    "FLEETSCHED_SIGN_VALID_FOR": ("sign", "validFor"),
}
"""Variables that outrank the file, each with the field that it stands for."""


def load_controller(
    given: Path | None = None, environment: Mapping[str, str] = os.environ, system: Path = _SYSTEM
) -> Controller:
    """Read the given file, else `$FLEETSCHED_CONFIG`, the system's or the user's; then the environment.

    Raises:
        InputError: a file that was named is not there, or others than root and the user can write it.
        ProblemsError: every mistake in the file and the environment.
    """
    named = given or (Path(environment[VARIABLE]) if environment.get(VARIABLE) else None)
    if named is not None and not named.is_file():
        where = "--config" if given is not None else VARIABLE
        raise InputError(f"{named}: no such file", remedy=f"{where} names it; correct or remove it")
    user = platformdirs.user_config_path("fleetsched") / "config.yaml"
    value: dict[str, Any] = {}
    problems: list[Problem] = []
    source = ""
    for file in [named] if named is not None else [system, user]:
        if file.is_file():
            source = str(file)
            value, problems = _read(file)
            break
    overrides, wrong = _from_environment(environment)
    if problems or wrong:
        raise ProblemsError([*problems, *wrong])
    outranked = {section: value.get(section, {}) | settings for section, settings in overrides.items()}
    return controller({**value, **outranked}, source)


def _read(file: Path) -> tuple[dict[str, Any], list[Problem]]:
    _refuse_writable(file)
    reading = read_file(file, str(file))
    problems = list(reading.problems)
    problems.extend(extra.problem("only one document may stand here") for extra in reading.documents[1:])
    if not reading.documents:
        return {}, problems
    problems.extend(reading.unnamed(check(reading.documents[0], "controller")))
    return reading.documents[0].value, problems


def _refuse_writable(file: Path) -> None:
    """Who can write this file decides what is approved, so nobody else may; as OpenSSH does for its own."""
    state = file.stat()
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or state.st_uid not in (0, os.geteuid()):
        raise InputError(
            f"{file} can be written by others than you and root, and it says what is approved",
            remedy=f"make it yours alone: chown and chmod go-w {file}",
        )


def _from_environment(environment: Mapping[str, str]) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    settings: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for variable, (section, name) in _SETTINGS.items():
        text = environment.get(variable, "")
        if text:
            value = int(text) if name == "forks" and text.isdecimal() else text
            wrong = check(Node({section: {name: value}}, Position(variable, 0, 0)), "controller")
            problems.extend(wrong)
            settings.setdefault(section, {})[name] = value
    return settings, problems
