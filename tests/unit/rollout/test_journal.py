# SPDX-License-Identifier: Apache-2.0
"""The journal holds whole records, and no secrets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fleetsched.model.cut_off import cut_off
from fleetsched.rollout.journal import Journal, read_journal

NOW = "2026-01-01T00:00:00Z"


def begun(file: Path) -> Path:
    """A journal of a run that is under way."""
    with Journal(file, lambda: NOW) as journal:
        journal.write("run", run="run-1", owner="me")
        journal.write("lease", host="web-1", token=3)
    return file


def words(file: Path) -> list[str]:
    return [event["event"] for event in read_journal(file)]


def test_what_looks_like_a_secret_is_left_out_and_the_line_stays_a_record(tmp_path: Path) -> None:
    file = tmp_path / "runs" / "run-1.jsonl"
    with Journal(file, lambda: NOW) as journal:
        journal.write("host", host="web-1", detail="-----BEGIN PRIVATE KEY-----\nMIIE")
        journal.write("end", exit_code=0)
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == [
        {"at": "2026-01-01T00:00:00Z", "event": "host", "host": "web-1", "detail": "[redacted]"},
        {"at": "2026-01-01T00:00:00Z", "event": "end", "exit_code": 0},
    ]


@pytest.mark.parametrize(
    "torn",
    [
        pytest.param(b'{"at": "2026-01-01T00:00:00Z", "event": "le', id="cut in a line"),
        pytest.param(b'{"at": "2026-01-01T00:00:00Z", "event": "goal", "goal": null}', id="cut at its end"),
        pytest.param(bytes(40), id="blocks that were never written"),
        pytest.param(b'{"why": "\xc3', id="cut in a letter"),
        pytest.param(b"7", id="what is no event"),
    ],
)
def test_what_is_written_after_a_torn_line_is_read(tmp_path: Path, torn: bytes) -> None:
    file = begun(tmp_path / "run-1.jsonl")
    with file.open("ab") as end:
        end.write(torn)
    assert cut_off(read_journal(file))

    with Journal(file, lambda: NOW) as journal:
        journal.write("taken-over")

    assert [word for word in words(file) if word != "goal"] == ["run", "lease", "taken-over"]
    assert cut_off(read_journal(file)) is None


def test_what_the_disk_had_no_room_for_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = begun(tmp_path / "run-1.jsonl")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with Journal(file, lambda: NOW) as journal:
        with monkeypatch.context() as context:
            context.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                journal.write("step", number=0)
        journal.write("end", exit_code=0)

    assert words(file) == ["run", "lease", "end"]


def test_journal_that_ends_in_a_whole_line_gets_no_empty_one(tmp_path: Path) -> None:
    file = begun(tmp_path / "run-1.jsonl")
    with Journal(file, lambda: NOW) as journal:
        journal.write("taken-over")

    assert [*map(bool, file.read_text(encoding="utf-8").split("\n"))] == [True, True, True, False]
