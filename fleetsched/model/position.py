# SPDX-License-Identifier: Apache-2.0
"""Where something is written in the fleet repository."""

from __future__ import annotations

from dataclasses import dataclass

from fleetsched.errors import Problem


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file of the repository; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def problem(self, message: str) -> Problem:
        """Report a mistake at this place."""
        return Problem(self.file, self.line, self.column, message)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


BUILT_IN = Position("(built in)", 0, 0)
"""The place of what no file says."""
