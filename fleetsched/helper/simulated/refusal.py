# SPDX-License-Identifier: Apache-2.0
"""An error answer of the simulated helper, on its way to the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):  # noqa: N818  an answer, never seen by a person as an exception
    """Carries one of the protocol's codes to the connection that asked.

    Args:
        code: the protocol's word.
        message: what a person reads.
        remedy: what to do next; may be empty.
        detail: further values of this code.
        closes: whether the connection is closed after the answer.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        remedy: str = "",
        detail: Mapping[str, Any] | None = None,
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.detail = detail or {}
        self.closes = closes

    def to_wire(self) -> dict[str, Any]:
        """Write the protocol's *error*; optional fields only when they say something."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.remedy:
            error["remedy"] = self.remedy
        if self.detail:
            error["detail"] = dict(self.detail)
        return error
