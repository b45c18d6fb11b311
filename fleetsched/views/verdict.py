# SPDX-License-Identifier: Apache-2.0
"""A verdict as Markdown that a terminal shows well, too. What a proposal says is shown as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetsched.model.verdict import Check, Result, Verdict
from fleetsched.model.wording import counted
from fleetsched.views.markdown import block, code
from fleetsched.views.proposal import line_of

_GATES = "gates "  # and the policy's name; alone it is the check of gates that were not run
_MOST_LINES = 200
_MOST_TEXT = 20_000


def verdict_markdown(verdict: Verdict) -> str:
    """The verdict first, then a line a check, then what each found."""
    bad = [check for check in verdict.checks if check.result is Result.BAD]
    judged = "good" if verdict.good else f"NOT good: {', '.join(check.name for check in bad)}"
    lines = [
        f"## fleetsched review: {judged}",
        "",
        f"{verdict.head[:12]} against {verdict.base[:12]}. {_run(verdict)}",
        "",
        "| check | result | finding |",
        "|---|---|---|",
    ]
    lines += [f"| {code(check.name)} | {check.result} | {code(check.finding)} |" for check in verdict.checks]
    for check in verdict.checks:
        lines += _details(check)
    if bad:
        lines += [
            "",
            "Mend what is bad and push again; `fleetsched review check` says the same on your machine.",
        ]
    return "\n".join(lines)


def _run(verdict: Verdict) -> str:
    """What was executed of the proposal, or for it."""
    machines = any(check.name.startswith(_GATES) for check in verdict.checks)
    also = ", and its policies in virtual machines" if machines else ""
    return f"Nothing of the proposal was run but the compiler{also}."


def _details(check: Check) -> Iterator[str]:
    if check.details:
        lines = [line_of(line, 300) for line in check.details[:_MOST_LINES]]
        if len(check.details) > _MOST_LINES:
            lines.append(f"... and {counted(len(check.details) - _MOST_LINES, 'more line')}")
        yield from ("", f"### {code(check.name)}", "", block("\n".join(lines), _MOST_TEXT))


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """The verdict for programs."""
    return {
        "format": "fleetsched-verdict",
        "version": "1.0",
        "good": verdict.good,
        "base": verdict.base,
        "head": verdict.head,
        "checks": [
            {
                "name": check.name,
                "result": str(check.result),
                "finding": check.finding,
                "details": [*check.details],
            }
            for check in verdict.checks
        ],
    }
