# SPDX-License-Identifier: Apache-2.0
"""What is known of policies, put together from a fleet repository: manifests, locks, evidence."""

from __future__ import annotations

from pathlib import Path

from fleetsched.errors import InputError, ProblemsError
from fleetsched.fleetrepo.evidence import recorded
from fleetsched.fleetrepo.matrix import Matrix, read_matrix
from fleetsched.fleetrepo.policies import Catalogue, read_catalogue
from fleetsched.model.dossier import Dossier
from fleetsched.operations.policies import policy_folder
from fleetsched.views.catalogue import catalogue_markdown


def dossier(root: Path | None, name: str) -> Dossier:
    """Put together what is known of one policy, by the repository that it is in.

    Args:
        root: the fleet repository around, if there is one.
        name: the policy's, or its folder.

    Raises:
        InputError: there is none, it is in no fleet repository, or the file of what gates said is damaged.
        ProblemsError: its files are wrong.
    """
    folder = policy_folder(root, name)
    home = folder.parents[1]
    if folder.parent.name != "policies":
        raise InputError(f"{folder} is in no fleet repository: expected policies/{folder.name} in one")
    catalogue = read_catalogue(home)
    if folder.name not in catalogue.policies:
        raise ProblemsError(catalogue.problems)
    return _dossier(catalogue, read_matrix(home), folder.name)


def dossiers(root: Path) -> list[Dossier]:
    """Put together what is known of every policy, in the order of names.

    Raises:
        InputError: the file of what gates said is damaged.
        ProblemsError: files are wrong.
    """
    catalogue = read_catalogue(root)
    if catalogue.problems:
        raise ProblemsError(catalogue.problems)
    matrix = read_matrix(root)
    return [_dossier(catalogue, matrix, name) for name in sorted(catalogue.policies)]


def catalogue_page(root: Path) -> str:
    """Write the page about a repository's policies, as `docs/catalogue.md` has it.

    Raises:
        InputError: the file of what gates said is damaged.
        ProblemsError: files are wrong.
    """
    return catalogue_markdown(dossiers(root))


def _dossier(catalogue: Catalogue, matrix: Matrix | None, name: str) -> Dossier:
    """Only what is about the locked objects is in it: of evidence, and of what gates said."""
    policy, lock = catalogue.policies[name], catalogue.locks.get(name)
    locked = lock.variants if lock else {}
    found = recorded(policy.folder, f"policies/{name}", tuple(locked.values()))
    if found.problems:
        raise ProblemsError(found.problems)
    evidence = sorted(found.present.values(), key=lambda each: (each.workload, each.kernel))
    said = matrix.of(name) if matrix else ()
    gates = tuple(report for report in said if report.digest == locked.get(report.variant))
    commit = matrix.commit if matrix else ""
    return Dossier(policy, lock, tuple(evidence), found.stale, gates, commit)
