# SPDX-License-Identifier: Apache-2.0
"""The fault table as text for a terminal and as the block in docs/safety.md."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fleetsched.helper.prebuilt import source_digest
from tests.faults.judge import Result
from tests.faults.rows import RUNS, TABLE

PROJECT = Path(__file__).resolve().parents[2]
SAFETY = PROJECT / "docs" / "safety.md"
Line = tuple[str, ...]
"""One line of the table, a text for each of the headings."""

BEGIN = "<!-- fault table: written by `make test-faults` -->"
END = "<!-- end of the fault table -->"
_HEADINGS = ("moment", "fault", "kernel", "the host ran after", "after", "why, by its history", "verdict")


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a table is about.

    Attributes:
        date: of the run, UTC.
        commit: short, with `+` when the tree had changes.
        kernels: their releases.
        helper: digest of the helper's sources.
        table: digest of the table's rows.
    """

    date: str
    commit: str
    kernels: tuple[str, ...]
    helper: str
    table: str

    @property
    def line(self) -> str:
        """The line above the table."""
        return (
            f"{self.date}, commit {self.commit}, kernels {' and '.join(self.kernels)} under emulation, "
            f"helper sources `{self.helper}`, rows `{self.table}`."
        )


def provenance(now: datetime, kernels: tuple[str, ...]) -> Provenance:
    """What a run on these kernels that ends now has tested."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = "+" if _git("status", "--porcelain", "--", ".", ":!docs/safety.md") else ""
    return Provenance(now.date().isoformat(), commit + changed, kernels, helper_digest(), rows_digest())


def helper_digest() -> str:
    """Of the sources that the helper is built from."""
    return source_digest(PROJECT / "bpf")


def rows_digest() -> str:
    """Of the table's files and the scripts' functions."""
    digest = hashlib.sha256()
    for file in [*sorted(TABLE.glob("*.yaml")), *sorted(TABLE.parent.glob("*.sh"))]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout.strip()


def cells(result: Result) -> Line:
    """One row of the table."""
    row = result.row
    return (
        row.when_in_words,
        row.fault,
        row.kernel,
        RUNS.get(result.seen.runs, result.seen.runs),
        _time(result),
        _why(result),
        result.verdict if not row.outside else f"{result.verdict}: {row.outside}",
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a row that was run, in texts: one process can give it to another.

    Attributes:
        key: the row's.
        line: of the table.
        settled: the row is done.
        wrong: what was expected and what was seen, where these differ.
    """

    key: str
    line: Line
    settled: bool
    wrong: str


def told(result: Result) -> Told:
    """All that the table and the summary say of it."""
    wrong = (
        f"{result.verdict}: {result.row.key}\n  {result.loss or 'expected ' + str(result.row.outcomes)}\n"
        f"  seen {result.seen} {' '.join(result.late)}\n  {' / '.join(result.why)}"
    )
    return Told(result.row.key, cells(result), result.settled, "" if result.as_expected else wrong)


def _time(result: Result) -> str:
    if result.seen.untouched:
        return "never left"
    if result.took_ms is None:
        return "-"
    return f"{result.took_ms / 1000:.1f} s" + (" from boot" if result.after_boot else "")


def _why(result: Result) -> str:
    if not result.seen.events:
        return ", ".join(dict.fromkeys(result.seen.answers)) or "nothing to tell"
    return ", ".join(result.seen.events)


def text_table(rows: Sequence[Told]) -> str:
    """For a terminal: columns as wide as they need to be; what went wrong is told below."""
    lines = [_HEADINGS, *(row.line for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([*table, *(row.wrong for row in rows if row.wrong)])


def markdown_table(lines: Sequence[Line]) -> str:
    """For docs/safety.md."""
    rule = ("---",) * len(_HEADINGS)
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
        for line in [_HEADINGS, rule, *lines]
    )


def with_lines(document: str, lines: Sequence[Line], tested: Provenance) -> str:
    """The document with a new block between its markers.

    Raises:
        ValueError: it has no markers.
    """
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the markers are missing: {BEGIN} and {END}")
    good = sum(line[-1].split(":")[0] == "ok" for line in lines)
    block = f"{tested.line} {len(lines)} rows, {good} ok.\n\n{markdown_table(lines)}"
    return f"{head}{BEGIN}\n\n{block}\n\n{END}{tail}"
