# SPDX-License-Identifier: Apache-2.0
"""`fleetsched validate`: every file of a fleet repository, all mistakes at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fleetsched.fleetrepo.load import load_fleet
from fleetsched.model.manifests import Fleet
from fleetsched.operations.lock import lock


def validate(root: Path, inventory: Sequence[Path] | None = None) -> Fleet:
    """Load and check a fleet repository as it lies in the folder, and rebuild its policies; no host is asked.

    Args:
        root: the folder with `fleetsched.yaml`.
        inventory: inventories to use instead of the repository's default.

    Raises:
        InputError: the folder is no fleet repository.
        ProblemsError: every mistake of every file.
        BuildError: a policy does not compile, or not to what its lock says.
    """
    fleet = load_fleet(root, inventory, run_programs=bool(inventory))
    lock(root, sorted(fleet.locks), check=True)
    return fleet
