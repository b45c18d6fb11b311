# SPDX-License-Identifier: Apache-2.0
"""What a host should run, or does run: (policy, variant, digest, parameters)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Assignment:
    """One policy object, or installed program, with its parameters.

    Attributes:
        policy: name of the policy's folder.
        variant: which rendering of its source.
        digest: SHA-256 of the object's, or the program's, bytes, 64 hex digits.
        parameters: by name, sorted by name; every declared parameter is present.
    """

    policy: str
    variant: str
    digest: str
    parameters: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, policy: str, variant: str, digest: str, parameters: Mapping[str, int]) -> Assignment:
        """Build one with its parameters sorted, so that equal assignments compare equal."""
        return cls(policy, variant, digest, tuple(sorted(parameters.items())))

    @classmethod
    def from_wire(cls, value: Mapping[str, Any]) -> Assignment:
        """Read the protocol's form of it."""
        return cls.of(value["policy"], value["variant"], value["digest"], value["parameters"])

    def to_wire(self) -> dict[str, Any]:
        """Write the protocol's form of it."""
        return {
            "policy": self.policy,
            "variant": self.variant,
            "digest": self.digest,
            "parameters": dict(self.parameters),
        }

    def __str__(self) -> str:
        variant = "" if self.variant == "default" else f"/{self.variant}"
        return f"{self.policy}{variant}@{self.digest[:8]}"
