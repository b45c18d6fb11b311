# SPDX-License-Identifier: Apache-2.0
"""`fleetsched init`: a new fleet repository with a working example for the lab."""

from __future__ import annotations

import json
from pathlib import Path

from fleetsched import schemas
from fleetsched.errors import InputError
from fleetsched.fleetrepo.git import ensure_repository
from fleetsched.operations.catalogue import add_policy
from fleetsched.shipped import shipped_root

_COPIED = (
    "fleetsched.yaml",
    "inventory/groups.yaml",
    "manifests/lab.yaml",
)
_POLICY = "fair"
# For editors: the schemas that the files' first lines name.
_SCHEMAS = (
    "manifest",
    "host-group",
    "workload-goal",
    "rollout-strategy",
    "workload",
    "policy",
    "policy-lock",
    "fleet",
    "common",
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

A goal without a `policy` is one that nobody has chosen a scheduler for yet. With this repository pushed to a
Git remote `origin`, a bare one for example:

    fleetsched propose               # chooses a policy and opens a proposal, a branch
    fleetsched review show GOAL      # what and why
    fleetsched review approve GOAL
    fleetsched review merge GOAL
    fleetsched plan
    fleetsched apply

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
    contents = {name: (shipped_root() / name).read_text(encoding="utf-8") for name in _COPIED} | _WRITTEN
    for name in _SCHEMAS:
        contents[f"fleetsched/schemas/{name}.json"] = json.dumps(schemas.load(name), indent=2) + "\n"
    try:
        target.mkdir(parents=True, exist_ok=True)
        ensure_repository(target)
        for name, text in contents.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror or error}") from error
    return [*(target / name for name in contents), *add_policy(target, _POLICY)]
