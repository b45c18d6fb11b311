# SPDX-License-Identifier: Apache-2.0
"""The lab's Ansible inventory."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import yaml

from fleetsched.errors import LabError
from fleetsched.lab.paths import known_hosts_file


def ssh_options(folder: Path) -> list[str]:
    """What OpenSSH needs to trust the hosts of the lab in `folder`, and nothing else."""
    return [
        *("-o", f"UserKnownHostsFile={known_hosts_file(folder)}"),
        *("-o", "GlobalKnownHostsFile=none"),
        *("-o", "StrictHostKeyChecking=yes"),
        *("-o", "IdentitiesOnly=yes"),
    ]


def inventory_text(folder: Path, ports: Mapping[str, int], key: Path) -> str:
    """An inventory with one group, `lab`.

    Args:
        folder: the lab's.
        ports: from a host's name to its port on 127.0.0.1.
        key: the private key of root, and of the users ops (may use sudo) and nosudo (may not).
    """
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": shlex.join(ssh_options(folder)),
    }
    hosts = {name: {"ansible_port": port} for name, port in ports.items()}
    body = yaml.safe_dump({"lab": {"hosts": hosts, "vars": variables}}, sort_keys=False, width=1000)
    return _header(folder) + body


def write_inventory(folder: Path, target: Path, text: str) -> None:
    """Write the inventory of the lab in `folder`, but never over a file that a person wrote.

    Raises:
        LabError: there is another file, or no folder for this one.
    """
    check_target(folder, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def check_target(folder: Path, target: Path) -> None:
    """Raise LabError when writing the inventory to `target` would destroy something."""
    if target.is_dir() or (target.exists() and not is_inventory_of(folder, target)):
        raise LabError(
            f"{target} exists and is not the inventory of this lab",
            remedy="Move it away, or name another file with --inventory.",
        )


def is_inventory_of(folder: Path, target: Path) -> bool:
    """Whether `target` was written for the lab in `folder`."""
    try:
        return target.read_text(encoding="utf-8", errors="replace").startswith(_header(folder))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return False


def _header(folder: Path) -> str:
    return f"# Written by `fleetsched lab up`, deleted by `fleetsched lab down`. Lab: {folder}\n"
