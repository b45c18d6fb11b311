# SPDX-License-Identifier: Apache-2.0
"""The controller's own configuration file. It is never looked for in a fleet repository."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from fleetsched.documents.check import check
from fleetsched.documents.reader import read_file
from fleetsched.errors import InputError, ProblemsError
from fleetsched.fleetrepo import decode
from fleetsched.model.controller import Controller

VARIABLE = "FLEETSCHED_CONFIG"
_SYSTEM = Path("/etc/fleetsched/config.yaml")


def load_controller(
    given: Path | None = None, environment: Mapping[str, str] = os.environ, system: Path = _SYSTEM
) -> Controller:
    """Read the first of: the given file, `$FLEETSCHED_CONFIG`, the system's, the user's; else take defaults.

    Raises:
        InputError: a file that was named is not there.
        ProblemsError: every mistake in the file.
    """
    named = given or (Path(environment[VARIABLE]) if environment.get(VARIABLE) else None)
    if named is not None and not named.is_file():
        where = "--config" if given is not None else VARIABLE
        raise InputError(f"{named}: no such file", remedy=f"{where} names it; correct or remove it")
    user = platformdirs.user_config_path("fleetsched") / "config.yaml"
    for file in [named] if named is not None else [system, user]:
        if file.is_file():
            return _read(file)
    return Controller()


def _read(file: Path) -> Controller:
    reading = read_file(file, str(file))
    problems = list(reading.problems)
    problems.extend(extra.problem("only one document may stand here") for extra in reading.documents[1:])
    if reading.documents:
        problems.extend(reading.unnamed(check(reading.documents[0], "controller")))
    if problems:
        raise ProblemsError(problems)
    return decode.controller(reading.documents[0]) if reading.documents else Controller(source=str(file))
