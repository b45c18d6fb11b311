# SPDX-License-Identifier: Apache-2.0
"""What `fleetsched lock` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetsched.model.position import BUILT_IN, Position


@dataclass(frozen=True, slots=True)
class LockedProgram:
    """Which program a lock's digest is of: where hosts have it, and its version in its packager's words."""

    path: str
    version: str


@dataclass(frozen=True, slots=True)
class PolicyLock:
    """What `fleetsched lock` wrote for a policy.

    Attributes:
        variants: SHA-256 of the object's, or the program's, bytes (64 hex digits) by variant.
        compiler: name of the compiler's package; `compiler_version` its version.
        flags: the compiler's flags in order.
        hashes: SHA-256 by file of every source, header and template that went in.
        program: of `kind: program`; nothing was compiled then.
    """

    policy: str
    variants: Mapping[str, str] = field(hash=False)
    compiler: str = ""
    compiler_version: str = ""
    flags: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict, hash=False)
    program: LockedProgram | None = None
    source: Position = field(default=BUILT_IN, compare=False)
