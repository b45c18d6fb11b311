# SPDX-License-Identifier: Apache-2.0
"""References of the controller's own file to the secrets that they mean. Resolved as late as possible."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from fleetsched.errors import InputError
from fleetsched.model.controller import SecretReference
from fleetsched.secrets import hide

_CREDENTIALS = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), LoadCredential=


def resolve_secret(reference: SecretReference, environment: Mapping[str, str] = os.environ) -> str:
    """Find the secret that a reference means; of a file, without its last newline. It is not printed again.

    Raises:
        InputError: it is not there, or others can read it.
    """
    secret = _resolve(reference, environment)
    hide(secret)
    return secret


def _resolve(reference: SecretReference, environment: Mapping[str, str]) -> str:
    if reference.env:
        return _from_variable(reference.env, environment)
    if reference.credential:
        folder = environment.get(_CREDENTIALS)
        if not folder:
            raise InputError(
                f"credential {reference.credential}: systemd has passed none",
                remedy=f"LoadCredential={reference.credential}:PATH in the service's unit does",
            )
        return _from_file(Path(folder, reference.credential), private=False)
    return _from_file(Path(reference.file).expanduser(), private=True)


def _from_variable(name: str, environment: Mapping[str, str]) -> str:
    """The variable, else the file that `NAME_FILE` names."""
    if environment.get(name):
        return environment[name]
    if environment.get(f"{name}_FILE"):
        return _from_file(Path(environment[f"{name}_FILE"]), private=True)
    raise InputError(f"the environment variable {name} is not set, which the controller's file names")


def _from_file(file: Path, *, private: bool) -> str:
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}, which should hold a secret, cannot be read: {error}") from error
    if private and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(f"{file} holds a secret and others can read it", remedy=f"chmod go= {file}")
    return text.removesuffix("\n")
