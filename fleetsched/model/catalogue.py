# SPDX-License-Identifier: Apache-2.0
"""A policy that comes with fleetsched, and what a fleet repository has of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fleetsched.model.policy import Policy


class Presence(StrEnum):
    """What a fleet repository has of a policy of the catalogue."""

    ABSENT = "absent"
    SAME = "same"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One policy of the catalogue.

    Attributes:
        readme: its README, Markdown; empty when it has none.
        presence: in the fleet repository that was asked about; None when none was.
        differing: the files that the repository lacks or has otherwise.
    """

    policy: Policy
    readme: str
    presence: Presence | None = None
    differing: tuple[str, ...] = ()
