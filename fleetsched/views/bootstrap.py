# SPDX-License-Identifier: Apache-2.0
"""What `bootstrap` would do to a host, and how it went, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleetsched.errors import FleetschedError
from fleetsched.model.access import Change

_MARKS = {"make": "+", "change": "~", "remove": "-"}


def prospect_text(
    host: str, changes: Sequence[Change], notes: Iterable[str], error: FleetschedError | None
) -> str:
    """Say what would be done: a line a thing, with `+` for what is made, `~` changed, `-` removed."""
    if error:
        return _error_text(host, error)
    lines = [f"{host}:" if changes else f"{host}: nothing to do"]
    lines += [f"  {_MARKS[change.verb]} {change.what}" for change in changes]
    lines += [f"  ! {note}" for note in notes]
    return "\n".join(lines)


def done_text(host: str, found: str, left: Iterable[str], error: FleetschedError | None) -> str:
    """Say how it went."""
    if error:
        return _error_text(host, error)
    return "\n".join([f"{host}: {found}", *(f"  stays, because it is not empty: {what}" for what in left)])


def _error_text(host: str, error: FleetschedError) -> str:
    message = error.message if error.message.startswith(host) else f"{host}: {error.message}"
    return f"{message}\n  do: {error.remedy}" if error.remedy else message
