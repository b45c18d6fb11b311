# SPDX-License-Identifier: Apache-2.0
"""Where the lab keeps things: in the cache what can be built again, else in the state folder."""

from __future__ import annotations

import re
from pathlib import Path

import platformdirs

from fleetsched.errors import UsageError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


def cache_folder() -> Path:
    """Images, kernels and snapshots: may be deleted whenever no lab is up."""
    return platformdirs.user_cache_path("fleetsched") / "lab"


def state_folder() -> Path:
    """One folder for each lab that is up."""
    return platformdirs.user_state_path("fleetsched") / "lab"


def lab_folder(name: str) -> Path:
    """The folder of one lab, whether it exists or not.

    Raises:
        UsageError: the name cannot be a folder's and a process's name.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"lab name {name!r}: expected lower-case letters, digits and hyphens, at most 32 of them",
            remedy="For example: --name spare",
        )
    return state_folder() / name


def known_hosts_file(folder: Path) -> Path:
    """The host keys of the lab in `folder`, and of nothing else."""
    return folder / "known_hosts"


def is_lab_known_hosts(path: Path) -> bool:
    """Whether `path` is the known_hosts file of one of this user's labs that exists now."""
    resolved = path.expanduser().resolve()
    return (
        resolved.is_file()
        and resolved.name == "known_hosts"
        and resolved.parent.parent == state_folder().resolve()
    )
