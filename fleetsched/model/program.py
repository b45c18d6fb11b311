# SPDX-License-Identifier: Apache-2.0
"""What a host starts for a policy of `kind: program`: an installed program with arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REFERENCE = re.compile(r"\{\{\s*parameters\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
"""`{{ parameters.NAME }}` in an argument; group 1 is the name."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program on a host; the digest of its assignment is that of the file at `path`.

    Attributes:
        path: absolute, without links.
        args: its arguments; in a manifest they may hold `{{ parameters.NAME }}`.
    """

    path: str
    args: tuple[str, ...] = ()

    @classmethod
    def from_wire(cls, value: Mapping[str, Any] | None) -> Program | None:
        """Read the protocol's form of it; None stays None."""
        return None if value is None else cls(value["path"], tuple(value["args"]))

    def to_wire(self) -> dict[str, Any]:
        """Write the protocol's form of it."""
        return {"path": self.path, "args": list(self.args)}

    def with_values(self, values: Mapping[str, str]) -> Program:
        """Put the parameters' values into the arguments; each that is referred to must be there."""
        return Program(
            self.path, tuple(REFERENCE.sub(lambda found: values[found[1]], arg) for arg in self.args)
        )
