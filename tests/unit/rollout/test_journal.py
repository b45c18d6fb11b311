# SPDX-License-Identifier: Apache-2.0
"""The journal holds whole records, and no secrets."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from fleetsched.rollout.journal import Journal, read_journal


def test_what_looks_like_a_secret_is_left_out_and_the_line_stays_a_record(tmp_path: Path) -> None:
    file = tmp_path / "runs" / "run-1.jsonl"
    with Journal(file, lambda: "2026-01-01T00:00:00Z") as journal:
        journal.write("host", host="web-1", detail="-----BEGIN PRIVATE KEY-----\nMIIE")
        journal.write("end", exit_code=0)
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == [
        {"at": "2026-01-01T00:00:00Z", "event": "host", "host": "web-1", "detail": "[redacted]"},
        {"at": "2026-01-01T00:00:00Z", "event": "end", "exit_code": 0},
    ]


def test_what_a_full_disk_does_not_take_leaves_no_trace_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(tmp_path / "run.jsonl", lambda: "now") as journal:
        journal.write("run")
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                journal.write("lease")
        journal.write("end")
    assert [event["event"] for event in read_journal(tmp_path / "run.jsonl")] == ["run", "end"]


def test_a_line_that_a_crash_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text('{"event": "run"}\n{"event": "le')
    with Journal(file, lambda: "now") as journal:
        journal.write("taken-over")
    assert [event["event"] for event in read_journal(file)] == ["run", "taken-over"]
