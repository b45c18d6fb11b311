# SPDX-License-Identifier: Apache-2.0
"""What is signed: that hosts of a group may run an assignment, until when, and after what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fleetsched.model.assignment import Assignment
from fleetsched.model.program import Program

NAMESPACE = "fleetsched-assignment"
HELPER_NAMESPACE = "fleetsched-helper"  # of the bytes of a helper, as they are
"""A signature for another purpose has another namespace, and is none here."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Statement:
    """That the hosts of a group may run an assignment.

    Attributes:
        group: name of the HostGroup.
        revision: the commit that wants it.
        not_after: until when, UTC, whole seconds.
        serial: of two statements for a host, the one with the greater serial is the later one; from 1.
        program: what they start for it, when the policy is a program.
    """

    assignment: Assignment
    group: str
    revision: str
    not_after: datetime
    serial: int
    program: Program | None = None

    def text(self) -> str:
        """Write it as it is signed: the same statement is always the same text."""
        return canonical(
            {
                "assignment": self.assignment.to_wire(),
                "group": self.group,
                "notAfter": self.not_after.astimezone(UTC).strftime(_TIME),
                "revision": self.revision,
                "serial": self.serial,
                **({"program": self.program.to_wire()} if self.program else {}),
            }
        )

    @classmethod
    def read(cls, text: str) -> Statement:
        """Read what was signed.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is no statement.
        """
        value = json.loads(text)
        return cls(
            assignment=Assignment.from_wire(value["assignment"]),
            group=value["group"],
            revision=value["revision"],
            not_after=datetime.strptime(value["notAfter"], _TIME).replace(tzinfo=UTC),
            serial=value["serial"],
            program=Program.from_wire(value.get("program")),
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement's text and the signature over it, in OpenSSH's armor."""

    statement: str
    signature: str


def canonical(value: Mapping[str, Any]) -> str:
    """Write JSON in its one form: keys sorted, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
