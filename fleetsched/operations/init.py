# SPDX-License-Identifier: Apache-2.0
"""`fleetsched init`: a new fleet repository with a working example for the lab."""

from __future__ import annotations

import shutil
from pathlib import Path

import fleetsched
from fleetsched.errors import FleetschedError, InputError
from fleetsched.fleetrepo.git import ensure_repository

_COPIED = (
    "fleetsched.yaml",
    "inventory/groups.yaml",
    "manifests/lab.yaml",
    "policies/fair/policy.yaml",
    "policies/fair/policy.lock.yaml",
    "policies/fair/fair.bpf.c",
    "policies/fair/README.md",
)
_WRITTEN = {
    ".gitignore": "# written by `fleetsched lab up`\ninventory/lab.yaml\n",
    "README.md": """\
# A fleet repository

It says which CPU scheduler the hosts of a fleet run. Start with a lab of three virtual machines on this one:

    fleetsched lab up --hosts 3
    fleetsched plan
    fleetsched apply --unreviewed    # the lab only: nothing here is committed and reviewed yet
    fleetsched status
    fleetsched lab down

| file | what it says |
|---|---|
| `fleetsched.yaml` | the repository's defaults |
| `inventory/` | hosts and groups: Ansible inventories |
| `manifests/` | which hosts belong together, what matters there, and how a change reaches them |
| `policies/` | the schedulers, each with its source and its lock |

For real hosts put them into `inventory/groups.yaml`, name their group in a `HostGroup`, and run
`fleetsched hosts check`. What `apply` brings to them must be committed and on the trusted branch
(`origin/main`, unless the controller's own file names another).
""",
}


def init(target: Path) -> list[Path]:
    """Make a new fleet repository, also for Git; nothing is committed.

    Args:
        target: a folder that is empty or not there yet.

    Returns:
        The files written, in order.

    Raises:
        InputError: the folder is not empty, or cannot be written.
        FleetschedError: Git is not installed.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is not an empty folder", remedy="name one that is empty or not there yet")
    example = _example()
    try:
        target.mkdir(parents=True, exist_ok=True)
        ensure_repository(target)
        for name in (*_COPIED, *_WRITTEN):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
        for name in _COPIED:
            shutil.copyfile(example / name, target / name)
        for name, text in _WRITTEN.items():
            (target / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror or error}") from error
    return [target / name for name in (*_COPIED, *_WRITTEN)]


def _example() -> Path:
    """Find the reference fleet: in the wheel, else in the checkout."""
    package = Path(fleetsched.__file__).parent
    for folder in (package / "_data", package.parent):
        if all((folder / name).is_file() for name in _COPIED):
            return folder
    raise FleetschedError(
        f"the example is missing beside {package}",
        remedy="install fleetsched again; its files are incomplete",
    )
