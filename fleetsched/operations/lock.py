# SPDX-License-Identifier: Apache-2.0
"""`fleetsched lock`: compile policies and write down, or check, what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fleetsched.errors import BuildError, InputError, Problem, ProblemsError
from fleetsched.fleetrepo.load import load_lock, load_policy
from fleetsched.model.manifests import Policy, PolicyLock
from fleetsched.model.suggest import suggestion


@dataclass(frozen=True, slots=True)
class LockResult:
    """One policy.

    Attributes:
        lock: what its source compiles to now.
        outcome: `written` = the file is new or changed.
    """

    lock: PolicyLock
    outcome: Literal["written", "unchanged"]

    def __str__(self) -> str:
        objects = ", ".join(f"{name} {digest[:12]}" for name, digest in self.lock.variants.items())
        return f"{self.lock.policy}: {objects} ({self.outcome})"


def lock(repository: Path, names: Sequence[str], check: bool) -> list[LockResult]:
    """Compile policies, and write their locks or compare with them.

    Args:
        repository: the fleet repository's folder.
        names: policies; none = all of them.
        check: write nothing; fail where a lock does not match.

    Raises:
        InputError: no such policy, or `check` and a policy has no lock.
        ProblemsError: every mistake of the manifests.
        BuildError: everything that does not compile, differs from its manifest, or does not match its lock.
    """
    folders = _folders(repository, names)
    policies = _load(folders)
    results, failures = [], []
    for policy in policies:
        try:
            results.append(_lock_one(policy, check))
        except BuildError as error:
            failures.append(error)
    if failures:
        remedies = dict.fromkeys(error.remedy for error in failures if error.remedy)
        raise BuildError("\n".join(error.message for error in failures), remedy="\n  ".join(remedies))
    return results


def _folders(repository: Path, names: Sequence[str]) -> list[Path]:
    """The folders of the named policies, in the order of names."""
    found = {file.parent.name: file.parent for file in sorted(repository.glob("policies/*/policy.yaml"))}
    for name in names:
        if name not in found:
            raise InputError(
                f"no policy {name!r} under {repository / 'policies'}{suggestion(name, found)}",
                remedy=f"a policy is a folder with a policy.yaml: policies/{name}/policy.yaml",
            )
    return [found[name] for name in sorted(set(names) or found)]


def _load(folders: Sequence[Path]) -> list[Policy]:
    policies: list[Policy] = []
    problems: list[Problem] = []
    for folder in folders:
        try:
            policies.append(load_policy(folder))
        except ProblemsError as error:
            problems += error.problems
    if problems:
        raise ProblemsError(problems)
    return policies


def _lock_one(policy: Policy, check: bool) -> LockResult:
    # Here and not above: the command line loads this file, and the compiler's packages are slow to load.
    from fleetsched.build.allowed import check_allowed
    from fleetsched.build.declared import Declared, check_object
    from fleetsched.build.lock import check_lock, lock_policy, write_lock
    from fleetsched.build.policy import compile_policy

    declared = Declared(
        parameters={name: (each.type, each.default) for name, each in policy.parameters.items()},
        timeout_ms=round(policy.timeout_s * 1000),
    )
    for inputs in policy.variants.values():
        image = compile_policy(policy.folder, inputs).image
        check_object(check_allowed(image, policy.name), policy.name, declared)
    built = lock_policy(policy.folder, policy.variants)
    if check:
        check_lock(load_lock(policy.folder), built)
        return LockResult(built, "unchanged")
    return LockResult(built, "written" if write_lock(policy.folder, built) else "unchanged")
