# SPDX-License-Identifier: Apache-2.0
"""`fleetsched lock`: compile policies and write down, or check, what came out.

Of a policy of `kind: program` nothing can be built: its digest is that of a copy that the operator names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fleetsched.errors import BuildError, InputError, Problem, ProblemsError
from fleetsched.fleetrepo.load import load_lock, load_policy
from fleetsched.fleetrepo.policies import LOCK_FILE
from fleetsched.fleetrepo.programs import lock_mismatch, renewal
from fleetsched.model.lock import LockedProgram, PolicyLock
from fleetsched.model.policy import Policy
from fleetsched.model.suggest import suggestion

_ELF = b"\x7fELF"


@dataclass(frozen=True, slots=True)
class LockResult:
    """One policy.

    Attributes:
        lock: what its source compiles to now, or which program it is.
        outcome: `written` = the file is new or changed; `not locked` = a program of which nobody gave a
            copy yet.
    """

    lock: PolicyLock
    outcome: Literal["written", "unchanged", "not locked"]

    def __str__(self) -> str:
        if self.lock.program and not self.lock.variants:
            return f"{self.lock.policy}: {self.lock.program.path} of the hosts ({self.outcome})"
        objects = ", ".join(f"{name} {digest[:12]}" for name, digest in self.lock.variants.items())
        return f"{self.lock.policy}: {objects} ({self.outcome})"


def lock_program(repository: Path, name: str, file: Path, version: str) -> LockResult:
    """Write the lock of a policy of `kind: program`.

    Args:
        repository: the fleet repository's folder.
        name: the policy.
        file: a copy of the program that the hosts have; only its digest is taken.
        version: what the program is, in its packager's words; written down for people.

    Raises:
        InputError: no such policy, it is no program, or the file cannot be read or is no ELF program.
        ProblemsError: every mistake of the manifest.
    """
    from fleetsched.build.lock import write_lock

    (policy,) = _load(_folders(repository, [name]))
    if policy.program is None:
        raise InputError(f"policy {name} is no program: it is built here", remedy=renewal(policy))
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error
    if not content.startswith(_ELF):
        raise InputError(
            f"{file} is no ELF program: hosts would refuse it",
            remedy="name the binary itself, not a script that starts it",
        )
    digest = hashlib.sha256(content).hexdigest()
    made = PolicyLock(name, {"default": digest}, program=LockedProgram(policy.program.path, version))
    return LockResult(made, "written" if write_lock(policy.folder, made) else "unchanged")


def lock(repository: Path, names: Sequence[str], check: bool) -> list[LockResult]:
    """Compile policies, and write their locks or compare with them.

    The lock of a program is only looked at: `lock_program` writes it. One that has none is an entry of a
    catalogue: no host runs it, and only who asks for it by name hears that as an error.

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
            if policy.program and not names and not (policy.folder / LOCK_FILE).exists():
                nothing = PolicyLock(policy.name, {}, program=LockedProgram(policy.program.path, ""))
                results.append(LockResult(nothing, "not locked"))
            else:
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


def check_program_lock(policy: Policy) -> PolicyLock:
    """Return the lock of a program after comparing what can be compared without the program.

    Raises:
        BuildError: there is none, or it is of another program.
    """
    try:
        found = load_lock(policy.folder)
        mismatch = lock_mismatch(policy, found)
    except InputError as error:
        mismatch = error.message
    if mismatch:
        raise BuildError(
            f"policy {policy.name!r}: {mismatch}; a program is not built here",
            remedy=f"give a copy of the hosts' program: {renewal(policy)}",
        )
    return found


def _lock_one(policy: Policy, check: bool) -> LockResult:
    if policy.program:
        return LockResult(check_program_lock(policy), "unchanged")
    # Here and not above: the command line loads this file, and the compiler's packages are slow to load.
    from fleetsched.build.allowed import check_allowed
    from fleetsched.build.declared import Declared, check_object
    from fleetsched.build.lock import check_lock, lock_policy, write_lock
    from fleetsched.build.policy import compile_policy

    declared = Declared.of(policy)
    for inputs in policy.variants.values():
        image = compile_policy(policy.folder, inputs).image
        check_object(check_allowed(image, policy.name), policy.name, declared)
    built = lock_policy(policy.folder, policy.variants)
    if check:
        check_lock(load_lock(policy.folder), built)
        return LockResult(built, "unchanged")
    return LockResult(built, "written" if write_lock(policy.folder, built) else "unchanged")
