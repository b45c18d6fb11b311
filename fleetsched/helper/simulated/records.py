# SPDX-License-Identifier: Apache-2.0
"""What a simulated host keeps on its disk: objects, records, holds, history, and the greatest token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fleetsched.model.assignment import Assignment

_MOST_HELD = 32
_MOST_UNNAMED_OBJECTS = 16


@dataclass(slots=True)
class Disk:
    """Survives restarts of the helper and reboots. Values are in their wire form."""

    objects: dict[str, bytes] = field(default_factory=dict)
    last_known_good: dict[str, Any] | None = None
    previous: dict[str, Any] | None = None
    voided: dict[str, Any] | None = None
    last_trial: dict[str, Any] | None = None
    held: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    last_token: int = 0
    trials: int = 0
    signed: tuple[int, str] = (0, "")  # serial and digest of the newest statement that was accepted
    highest_version: str = ""  # of the helpers that have run here

    def find_held(self, assignment: Assignment) -> dict[str, Any] | None:
        """Return the hold on this assignment."""
        wire = assignment.to_wire()
        return next((held for held in self.held if held["assignment"] == wire), None)

    def hold(self, entry: dict[str, Any]) -> None:
        """Add a hold as the newest."""
        self.held = [held for held in self.held if held["assignment"] != entry["assignment"]]
        self.held = [*self.held, entry][-_MOST_HELD:]

    def keep(self, digest: str, data: bytes, trial: Assignment | None) -> None:
        """Store an object as the newest; old ones that nothing names are dropped."""
        self.objects[digest] = data
        records = (self.last_known_good, self.previous, self.voided and self.voided["record"], *self.held)
        named = {record["assignment"]["digest"] for record in records if record}
        if trial:
            named.add(trial.digest)
        unnamed = [known for known in self.objects if known not in named]
        for old in unnamed[:-_MOST_UNNAMED_OBJECTS]:
            del self.objects[old]
