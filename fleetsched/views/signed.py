# SPDX-License-Identifier: Apache-2.0
"""What was signed, as a person reads it."""

from __future__ import annotations

from collections.abc import Sequence

from fleetsched.model.statement import Statement


def signed_text(statements: Sequence[Statement]) -> str:
    """One line a group."""
    lines = [f"Signed at revision {statements[0].revision[:12]}:", ""]
    width = max(len(each.group) for each in statements)
    for each in statements:
        parameters = ", ".join(f"{name} {value}" for name, value in each.assignment.parameters)
        what = f"{each.assignment} ({parameters})" if parameters else str(each.assignment)
        lines.append(f"  {each.group:<{width}}  {what}, until {each.not_after:%Y-%m-%d %H:%M} UTC")
    return "\n".join(lines)
