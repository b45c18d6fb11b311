# SPDX-License-Identifier: Apache-2.0
"""Write docs/bad-policies.md from the table: `python -m tests.policies.page`."""

from __future__ import annotations

from pathlib import Path

from fleetsched.model.gate import Gate
from tests.policies.table import BAD, FOLDER, BadPolicy

PAGE = FOLDER.parents[1] / "docs" / "bad-policies.md"

_HEAD = """\
# Policies that must not get through

<!-- Written by `python -m tests.policies.page` from tests/policies/table.py; not for editing. -->

A gate is worth what it stops. `tests/policies/` holds {count} policies that are wrong, each in one way: by
mistake, as a person or a model makes them, or on purpose, as somebody would who wants to get at the hosts or
at the machine that builds. Every gate before the one that is named lets the policy pass, the named one stops
it, and what it says tells the fault. The tests hold the gates to that: `tests/unit/test_bad_policies.py` for
everything that no kernel is asked for, `tests/real/test_bad_policies.py` for the rest.

What is stopped before *verify* reaches no kernel; what is stopped before *attach* schedules no task.
"""

_GATES = {
    Gate.SCHEMA: "The manifest is judged by itself.",
    Gate.COMPILE: """\
The template is rendered in a sandbox with limits, the source is read before the compiler sees it, and the
compiler runs in a folder with nothing but the headers.""",
    Gate.INSPECT: """\
The object is judged by lists of what policies need, and compared with the manifest. The helper on the hosts
has the same lists and asks again.""",
    Gate.VERIFY: "The kernel's verifier is asked, on every kernel of the matrix.",
    Gate.ATTACH: "The policy comes up on a machine of its own, on which nothing much happens.",
    Gate.STRESS: """\
Everything happens at once, with a watchdog of 2 s. The watchdog sees that a task waits; that a task gets
nothing *done* is seen only by who looks at its progress.""",
    Gate.SOAK: "Ninety seconds, for what begins later.",
}


def page() -> str:
    """The page's text."""
    parts = [_HEAD.format(count=len(BAD))]
    for gate, about in _GATES.items():
        rows = [row for row in BAD if row.gate is gate]
        parts.append(f"\n## Stopped by {gate.value} ({len(rows)})\n\n{about}\n\n")
        parts.append("| policy | kind | what is wrong with it | code | part of what the gate says |\n")
        parts.append("|---|---|---|---|---|\n")
        parts += [_line(row) for row in rows]
    return "".join(parts)


def _line(row: BadPolicy) -> str:
    says = f"`` {row.says} ``" if "`" in row.says else f"`{row.says}`"
    return (
        f"| [{row.name}](../tests/policies/{row.name}) | {row.kind} | {_wrong(row)} | {row.code} | {says} |\n"
    )


def _wrong(row: BadPolicy) -> str:
    """What its manifest says of it. Those whose manifest is the fault are read line by line."""
    (summary,) = (
        line.split(":", 1)[1].strip()
        for line in (row.folder / "policy.yaml").read_text(encoding="utf-8").splitlines()
        if line.startswith("  summary:")
    )
    return summary.removeprefix("for tests, ")


def main(target: Path = PAGE) -> None:
    """Write it."""
    target.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
