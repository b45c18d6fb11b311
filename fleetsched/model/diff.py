# SPDX-License-Identifier: Apache-2.0
"""How a goal's policy differs from what its hosts have recorded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """What changed in one goal's policy.

    Attributes:
        since: the revision that hosts have recorded.
        lines: a unified diff, and a line a changed header; or one line that says why there is none.
    """

    goal: str
    policy: str
    since: str
    lines: tuple[str, ...]
