# SPDX-License-Identifier: Apache-2.0
"""What is known of policies, put together from a fleet repository: manifests, locks, evidence."""

from __future__ import annotations

from pathlib import Path

from fleetsched.errors import InputError, ProblemsError
from fleetsched.fleetrepo.evidence import recorded
from fleetsched.fleetrepo.policies import Catalogue, read_catalogue
from fleetsched.model.dossier import Dossier
from fleetsched.model.suggest import suggestion
from fleetsched.views.catalogue import catalogue_markdown


def dossier(root: Path, name: str) -> Dossier:
    """Put together what is known of one policy.

    Raises:
        InputError: there is none of this name.
        ProblemsError: its files are wrong.
    """
    catalogue = read_catalogue(root)
    if (root / "policies" / name).is_dir() and name not in catalogue.policies:
        raise ProblemsError(catalogue.problems)
    if name not in catalogue.policies:
        raise InputError(
            f"no policy {name!r} under {root / 'policies'}{suggestion(name, catalogue.policies)}"
        )
    return _dossier(catalogue, name)


def dossiers(root: Path) -> list[Dossier]:
    """Put together what is known of every policy, in the order of names.

    Raises:
        ProblemsError: files are wrong.
    """
    catalogue = read_catalogue(root)
    if catalogue.problems:
        raise ProblemsError(catalogue.problems)
    return [_dossier(catalogue, name) for name in sorted(catalogue.policies)]


def catalogue_page(root: Path) -> str:
    """Write the page about a repository's policies, as `docs/catalogue.md` has it.

    Raises:
        ProblemsError: files are wrong.
    """
    return catalogue_markdown(dossiers(root))


def _dossier(catalogue: Catalogue, name: str) -> Dossier:
    policy, lock = catalogue.policies[name], catalogue.locks.get(name)
    found = recorded(policy.folder, f"policies/{name}", tuple(lock.variants.values()) if lock else ())
    if found.problems:
        raise ProblemsError(found.problems)
    evidence = sorted(found.present.values(), key=lambda each: (each.workload, each.kernel))
    return Dossier(policy, lock, tuple(evidence), found.stale)
