# SPDX-License-Identifier: Apache-2.0
"""Rows that an earlier, interrupted run has done already: half an hour is long, and guests are shared.

A row counts as done while neither it nor the scripts' functions nor the helper's sources have changed.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from fleetsched.files import replace_file
from tests.faults.report import Line, helper_digest
from tests.faults.rows import TABLE, Row

_FILE = Path(__file__).resolve().parents[2] / "build" / "fault-rows.json"


def load(file: Path = _FILE) -> dict[str, Line]:
    """The lines of the table that are done, by their row's digest."""
    try:
        return {key: tuple(line) for key, line in json.loads(file.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}


def add(row: Row, line: Line, file: Path = _FILE) -> None:
    """Keep the line of a row that is done. One process alone writes, whatever others run rows."""
    file.parent.mkdir(exist_ok=True)
    replace_file(file, json.dumps(load(file) | {digest(row): line}, indent=1).encode())


def forget(file: Path = _FILE) -> None:
    """Begin anew."""
    file.unlink(missing_ok=True)


def digest(row: Row) -> str:
    """Of everything that a row's result depends on, the emulated machine apart."""
    return hashlib.sha256("\0".join((repr(row), *_sources())).encode()).hexdigest()


@cache
def _sources() -> tuple[str, str]:
    """What all rows depend on, as it was when this process asked first."""
    return TABLE.with_name("host.sh").read_text(encoding="utf-8"), helper_digest()
