# SPDX-License-Identifier: Apache-2.0
"""What makes one host differ from every other: its keys, names, clock and random numbers.

All of it is made here and brought in by the guest agent, so SSH trusts the host from the first connection on.
"""

from __future__ import annotations

import base64
import io
import os
import shlex
import tarfile
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from fleetsched.lab.images import guest_script
from fleetsched.lab.monitor import GuestAgent
from fleetsched.lab.run import run

# What Debian's openssh-server makes at its installation.
_HOST_KEY_KINDS = ("ed25519", "ecdsa", "rsa")
_ENTROPY_BYTES = 64
_SCRIPT_S = 180.0


def make_key(file: Path, kind: str, comment: str) -> None:
    """Write a new key pair without a passphrase to `file` and `file`.pub."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", str(file)]
    run(argv, timeout_s=60, what=f"make the key {file.name}")


def give_identity(agent: GuestAgent, folder: Path, authorized_key: str) -> list[str]:
    """Make a restored template the host that `folder` is named after, and start its SSH server.

    Args:
        agent: of the guest.
        folder: the host's; its private keys are there for a moment.
        authorized_key: the public key that opens it.

    Returns:
        Its public host keys, as `ssh-ed25519 AAAA...`.

    Raises:
        LabError: something failed inside the guest.
    """
    with tempfile.TemporaryDirectory(prefix="keys-", dir=folder) as keys:
        for kind in _HOST_KEY_KINDS:
            make_key(Path(keys) / f"ssh_host_{kind}_key", kind, f"root@{folder.name}")
        public = [file.read_text(encoding="ascii") for file in sorted(Path(keys).glob("*.pub"))]
        archive = _host_keys(Path(keys))
    variables = {
        "name": folder.name,
        "machine_id": uuid.uuid4().hex,
        "boot_id": str(uuid.uuid4()),
        "entropy": os.urandom(_ENTROPY_BYTES).hex(),
        "clock_step_ns": str(_clock_step_ns(agent)),
        "authorized_key": authorized_key,
        "host_keys": base64.b64encode(archive).decode(),
    }
    agent.run(script_with(variables, guest_script("identity.sh")), timeout_s=_SCRIPT_S)
    return [" ".join(key.split()[:2]) for key in public]


def script_with(variables: Mapping[str, str], script: str) -> str:
    """The script with shell variables set in front of it."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items()) + script


def _clock_step_ns(agent: GuestAgent) -> int:
    """How far the guest's clock is behind this machine's, in nanoseconds.

    A difference stays right while the script is on its way, unlike a time.
    """
    before = time.time_ns()
    guest = agent.clock_ns()
    after = time.time_ns()
    return (before + after) // 2 - guest


def _host_keys(folder: Path) -> bytes:
    """The key files of `folder` as a tar archive, private ones for root alone."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for file in sorted(folder.iterdir()):
            info = tarfile.TarInfo(file.name)
            info.size = file.stat().st_size
            info.mode = 0o644 if file.suffix == ".pub" else 0o600
            archive.addfile(info, io.BytesIO(file.read_bytes()))
    return out.getvalue()
