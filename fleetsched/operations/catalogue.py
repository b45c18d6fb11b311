# SPDX-License-Identifier: Apache-2.0
"""The catalogue: the policies that come with fleetsched, and copying them into a fleet repository."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from fleetsched.errors import InputError, ProblemsError
from fleetsched.fleetrepo.policies import LOCK_FILE, POLICY_FILE, read_catalogue
from fleetsched.model.catalogue import CatalogueEntry, Presence
from fleetsched.model.policy import Policy
from fleetsched.model.suggest import suggestion
from fleetsched.shipped import shipped_root

README = "README.md"


def catalogue() -> Mapping[str, Policy]:
    """Read the policies that come with fleetsched, by name.

    Raises:
        ProblemsError: the installation's own files are wrong.
    """
    found = read_catalogue(shipped_root())
    if found.problems:
        raise ProblemsError(found.problems)
    return found.policies


def find_policy(name: str) -> Policy:
    """Return one policy of the catalogue.

    Raises:
        InputError: there is none of this name.
    """
    policies = catalogue()
    if name not in policies:
        raise InputError(
            f"no policy {name!r} in the catalogue{suggestion(name, policies)}",
            remedy="see `fleetsched policy list`",
        )
    return policies[name]


def entries(root: Path | None) -> list[CatalogueEntry]:
    """Describe every policy of the catalogue, in the order of names.

    Args:
        root: the fleet repository to compare with, if there is one.
    """
    return [_entry(policy, root) for _, policy in sorted(catalogue().items())]


def describe(name: str, root: Path | None) -> CatalogueEntry:
    """Describe one policy of the catalogue.

    Raises:
        InputError: there is none of this name.
    """
    return _entry(find_policy(name), root)


def _entry(policy: Policy, root: Path | None) -> CatalogueEntry:
    readme = policy.folder / README
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    if root is None:
        return CatalogueEntry(policy, text)
    found = presence(root, policy)
    differing = differing_files(root, policy) if found is Presence.DIFFERS else []
    return CatalogueEntry(policy, text, found, tuple(differing))


def presence(root: Path, policy: Policy) -> Presence:
    """Say what a fleet repository has of a policy of the catalogue. Files of its own do not count."""
    folder = root / "policies" / policy.name
    if not folder.is_symlink() and (not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))):
        return Presence.ABSENT
    return Presence.DIFFERS if differing_files(root, policy) else Presence.SAME


def differing_files(root: Path, policy: Policy) -> list[str]:
    """Name the files of a policy of the catalogue that a fleet repository lacks or has otherwise."""
    folder = root / "policies" / policy.name
    if folder.is_symlink():
        return _files(policy)
    return [name for name in _files(policy) if _read(folder / name) != (policy.folder / name).read_bytes()]


def add_policy(root: Path, name: str) -> list[Path]:
    """Copy a policy of the catalogue into a fleet repository: manifest, source, lock and README.

    The folder appears whole or not at all.

    Args:
        root: the fleet repository's folder.
        name: the policy's name.

    Returns:
        The files written; none when exactly these are there already.

    Raises:
        InputError: no such policy, a folder of this name with other files, or it cannot be written.
    """
    policy = find_policy(name)
    target = root / "policies" / name
    match presence(root, policy):
        case Presence.SAME:
            return []
        case Presence.DIFFERS:
            others = ", ".join(differing_files(root, policy))
            raise InputError(
                f"{target} is there and differs from the catalogue's {name}: {others}",
                remedy="keep yours, or remove the folder and add the policy again",
            )
    try:
        _copy(policy, target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror or error}") from error
    return [target / file for file in _files(policy)]


def _files(policy: Policy) -> list[str]:
    """The files that make a policy, in the order in which a person reads them."""
    names = (POLICY_FILE, f"{policy.name}.bpf.c", f"{policy.name}.bpf.c.j2", LOCK_FILE, README)
    return [name for name in names if (policy.folder / name).is_file()]


def _copy(policy: Policy, target: Path) -> None:
    """Fill a folder beside the target, where loading a repository does not look, and rename it."""
    parent = target.parent
    if parent.is_symlink():
        raise InputError(
            f"{parent} is a link", remedy="a fleet repository's policies are in it, not elsewhere"
        )
    parent.mkdir(parents=True, exist_ok=True)
    unfinished = parent / f".{policy.name}.new-{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir()
        for name in _files(policy):
            shutil.copyfile(policy.folder / name, unfinished / name)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _read(file: Path) -> bytes | None:
    """The file's bytes; None when it is missing, or is not a file of this folder itself."""
    return file.read_bytes() if file.is_file() and not file.is_symlink() else None
