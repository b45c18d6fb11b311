# SPDX-License-Identifier: Apache-2.0
"""The journal holds whole records, and no secrets."""

from __future__ import annotations

import json
from pathlib import Path

from fleetsched.rollout.journal import Journal


def test_what_looks_like_a_secret_is_left_out_and_the_line_stays_a_record(tmp_path: Path) -> None:
    file = tmp_path / "runs" / "run-1.jsonl"
    with Journal(file, lambda: "2026-01-01T00:00:00Z") as journal:
        journal.write("host", host="web-1", detail="-----BEGIN PRIVATE KEY-----\nMIIE")
        journal.write("end", exit_code=0)
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == [
        {"at": "2026-01-01T00:00:00Z", "event": "host", "host": "web-1", "detail": "[redacted]"},
        {"at": "2026-01-01T00:00:00Z", "event": "end", "exit_code": 0},
    ]
