# SPDX-License-Identifier: Apache-2.0
"""`fleetsched validate`: every file of a fleet repository, all mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fleetsched.errors import Problem, ProblemsError
from fleetsched.fleetrepo.evidence import recorded, stale_warning
from fleetsched.fleetrepo.load import load_fleet
from fleetsched.fleetrepo.policies import read_catalogue
from fleetsched.model.fleet import Fleet
from fleetsched.model.lock import PolicyLock
from fleetsched.model.policy import Policy
from fleetsched.operations.lock import lock


def validate(root: Path, inventory: Sequence[Path] | None = None) -> Fleet:
    """Load and check a fleet repository as it lies in the folder, and rebuild its policies; no host is asked.

    Args:
        root: the folder with `fleetsched.yaml`.
        inventory: inventories to use instead of the repository's default.

    Returns:
        The fleet; evidence that is not of the present objects is among its warnings.

    Raises:
        InputError: the folder is no fleet repository.
        ProblemsError: every mistake of every file.
        BuildError: a policy does not compile, or not to what its lock says.
    """
    try:
        fleet = load_fleet(root, inventory, run_programs=bool(inventory))
    except ProblemsError as error:
        catalogue = read_catalogue(root)
        wrong, _ = _evidence(catalogue.policies, catalogue.locks)
        raise ProblemsError([*error.problems, *wrong]) from None
    wrong, stale = _evidence(fleet.policies, fleet.locks)
    if wrong:
        raise ProblemsError(wrong)
    lock(root, sorted(fleet.locks), check=True)
    return replace(fleet, warnings=(*fleet.warnings, *stale))


def _evidence(
    policies: Mapping[str, Policy], locks: Mapping[str, PolicyLock]
) -> tuple[list[Problem], list[Problem]]:
    """Read the evidence of these policies; return its mistakes, and warnings of what is stale.

    Stale evidence is no mistake: it is true of the object that it names, and a policy may be changed
    before it is measured again.
    """
    wrong: list[Problem] = []
    stale: list[Problem] = []
    for name, policy in sorted(policies.items()):
        digests = tuple(locks[name].variants.values()) if name in locks else ()
        found = recorded(policy.folder, f"policies/{name}", digests)
        wrong += found.problems
        stale += [stale_warning(f"policies/{name}", file, name) for file in found.stale]
    return wrong, stale
