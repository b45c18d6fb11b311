# SPDX-License-Identifier: Apache-2.0
"""Signatures as `ssh-keygen -Y sign` makes them, with a private key or with an agent that holds it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from fleetsched.errors import FleetschedError

_LIMIT_S = 120.0  # somebody may have to type a passphrase or touch a token


def sign(data: bytes, key: Path, namespace: str) -> str:
    """Sign bytes.

    Args:
        data: what is signed.
        key: a private key's file, or a public one whose private key an agent holds.
        namespace: what the signature is for.

    Returns:
        The signature in OpenSSH's armor.

    Raises:
        FleetschedError: it cannot be made.
    """
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_LIMIT_S, check=False)
    except FileNotFoundError as error:
        raise FleetschedError(
            "ssh-keygen is not installed, so nothing can be signed", remedy="install OpenSSH's client"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise FleetschedError(f"ssh-keygen made no signature with {key} within {_LIMIT_S:g} s") from error
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise FleetschedError(
            f"{key} makes no signature: {said[0] if said else 'ssh-keygen says nothing'}",
            remedy="name a private key, or a public one that an agent holds (`ssh-add -L`)",
        )
    return done.stdout.decode("ascii")
