# SPDX-License-Identifier: Apache-2.0
"""What a policy compiles to, written down: policy.lock.yaml."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from fleetsched.build.compiler import COMPILER, FLAGS, CompiledObject, find_compiler
from fleetsched.build.include import read_headers
from fleetsched.build.policy import compile_policy
from fleetsched.build.render import source_file
from fleetsched.errors import BuildError
from fleetsched.files import replace_file
from fleetsched.model.lock import PolicyLock

LOCK_FILE = "policy.lock.yaml"
_COMMENT = "# Written by `fleetsched lock`; not for editing.\n"


def lock_policy(
    policy_dir: Path,
    variants: Mapping[str, Mapping[str, Any]],
    *,
    include: Path | None = None,
    cache: Path | None = None,
) -> PolicyLock:
    """Compile every variant and say what came out, and of what.

    Args:
        policy_dir: the policy's folder.
        variants: inputs of the template by variant.
        include: headers to use instead of this installation's.
        cache: folder of the cache of objects.

    Raises:
        BuildError: a variant does not compile.
    """
    compiled = {
        name: compile_policy(policy_dir, inputs, include=include, cache=cache)
        for name, inputs in sorted(variants.items())
    }
    return PolicyLock(
        policy=policy_dir.name,
        variants={name: each.digest for name, each in compiled.items()},
        compiler=COMPILER,
        compiler_version=find_compiler().version,
        flags=FLAGS,
        hashes=_hashes(policy_dir, compiled.values(), read_headers(include)),
    )


def _hashes(policy_dir: Path, compiled: Any, headers: Mapping[str, bytes]) -> dict[str, str]:
    source = source_file(policy_dir)
    used: set[str] = set()
    for each in compiled:
        assert isinstance(each, CompiledObject)
        used.update(each.headers)
    contents = {source.name: source.read_bytes()} | {name: headers[name] for name in sorted(used)}
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def lock_text(lock: PolicyLock) -> str:
    """The file's text: the same for the same lock."""
    made_of: dict[str, Any] = {
        "compiler": {"name": lock.compiler, "version": lock.compiler_version},
        "flags": list(lock.flags),
        "hashes": dict(lock.hashes),
    }
    if lock.program:
        made_of = {"program": {"path": lock.program.path, "version": lock.program.version}}
    document = {
        "apiVersion": "fleetsched/v1",
        "kind": "PolicyLock",
        "metadata": {"name": lock.policy},
        "spec": {**made_of, "variants": dict(lock.variants)},
    }
    return _COMMENT + yaml.safe_dump(document, sort_keys=False, width=200)


def write_lock(policy_dir: Path, lock: PolicyLock) -> bool:
    """Write the lock unless the file already says exactly this; return True when it was written."""
    file, text = policy_dir / LOCK_FILE, lock_text(lock)
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return False
    replace_file(file, text.encode())
    return True


def check_lock(recorded: PolicyLock, built: PolicyLock) -> None:
    """Compare what a lock says with what comes out now.

    Raises:
        BuildError: naming the policy, what differs (compiler, flags, source, header, variant) and the way to
            renew it.
    """
    differences = _differences(recorded, built)
    if differences:
        raise BuildError(
            f"policy {recorded.policy!r}: its lock does not match: {'; '.join(differences)}",
            remedy=f"look at the change, then renew the lock: fleetsched lock {recorded.policy}",
        )


def _differences(recorded: PolicyLock, built: PolicyLock) -> list[str]:
    """What differs, causes before effects."""
    found = []
    compilers = [f"{lock.compiler} {lock.compiler_version}" for lock in (recorded, built)]
    if compilers[0] != compilers[1]:
        found.append(f"compiler: locked with {compilers[0]}, installed is {compilers[1]}")
    if recorded.flags != built.flags:
        found.append("the compiler's flags changed")
    found += _changed("source or header", recorded.hashes, built.hashes)
    found += _changed("object of variant", recorded.variants, built.variants)
    return found


def _changed(what: str, recorded: Mapping[str, str], built: Mapping[str, str]) -> list[str]:
    names = sorted(recorded.keys() | built.keys())
    return [
        f"{what} {name} {_change(recorded.get(name), built.get(name))}"
        for name in names
        if recorded.get(name) != built.get(name)
    ]


def _change(recorded: str | None, built: str | None) -> str:
    if recorded is None:
        return "is new"
    if built is None:
        return "is gone"
    return f"changed ({recorded[:8]} to {built[:8]})"
