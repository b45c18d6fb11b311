# SPDX-License-Identifier: Apache-2.0
"""Rows that an earlier, interrupted run has done already: forty minutes are long, and guests are shared.

A row counts as done while neither it nor the scripts' functions nor the helper's sources have changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from tests.faults.judge import Result
from tests.faults.report import Line, cells, helper_digest
from tests.faults.rows import TABLE, Row

_FILE = Path(__file__).resolve().parents[2] / "build" / "fault-rows.json"


def load(file: Path = _FILE) -> dict[str, Line]:
    """The lines of the table that are done, by their row's digest."""
    try:
        return {key: tuple(line) for key, line in json.loads(file.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}


def add(results: Iterable[Result], file: Path = _FILE) -> dict[str, Line]:
    """Keep those that went as expected, and return all that are kept now."""
    done = load(file) | {digest(result.row): cells(result) for result in results if result.settled}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(done, indent=1), encoding="utf-8")
    return done


def forget(file: Path = _FILE) -> None:
    """Begin anew."""
    file.unlink(missing_ok=True)


def digest(row: Row) -> str:
    """Of everything that a row's result depends on, the emulated machine apart."""
    library = TABLE.with_name("host.sh").read_text(encoding="utf-8")
    return hashlib.sha256("\0".join((repr(row), library, helper_digest())).encode()).hexdigest()
