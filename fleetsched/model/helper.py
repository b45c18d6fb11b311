# SPDX-License-Identifier: Apache-2.0
"""Which helper a host runs, compared with the one that this fleetsched brings along."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class HelperBuild:
    """A helper, as it greets.

    Attributes:
        version: its own, "0.1.0".
        protocol: the version that it and this fleetsched speak.
        sha256: digest of its bytes, 64 hex digits; empty when it does not say (protocol 1).
    """

    version: str
    protocol: int
    sha256: str = ""


class Compared(StrEnum):
    """What a host's helper is, seen from this fleetsched's own."""

    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"
    OTHER_BUILD = "other build"


@dataclass(frozen=True, slots=True)
class HostHelper:
    """The helper of one host.

    Attributes:
        helper: None when there is none, or the host is unknown.
        compared: with this fleetsched's own; None as above.
        error: why the host could not be asked.
    """

    host: str
    helper: HelperBuild | None
    compared: Compared | None
    error: str = ""


def version_numbers(version: str) -> tuple[int, ...]:
    """A version as versions are compared; what is no number makes it older than all."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


def compare(helper: HelperBuild, version: str, sha256: str = "") -> Compared:
    """Say what `helper` is beside one of this version and digest; an empty digest is not compared."""
    theirs, ours = version_numbers(helper.version), version_numbers(version)
    if theirs != ours:
        return Compared.OLDER if theirs < ours else Compared.NEWER
    if sha256 and helper.sha256 != sha256:
        return Compared.OTHER_BUILD
    return Compared.CURRENT
