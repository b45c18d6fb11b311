# SPDX-License-Identifier: Apache-2.0
"""What `review check` says of a proposal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How one check went."""

    GOOD = "good"
    BAD = "bad"
    NOT_DONE = "not done"


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: in a word or two.
        result: how it went.
        finding: one line.
        details: further lines; text of the proposal, not to be trusted.
    """

    name: str
    result: Result
    finding: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks of one proposal.

    Attributes:
        base, head: commits: what it was compared with, and what was judged.
    """

    base: str
    head: str
    checks: tuple[Check, ...]

    @property
    def good(self) -> bool:
        """Whether no check is bad."""
        return all(check.result is not Result.BAD for check in self.checks)
