# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.model.cycle import Event, Kind
from fleetsched.reconcile.memory import MOST_EVENTS, Memory, prune

APPLIED = Event("2026-01-02T03:04:05Z", Kind.APPLIED, "c" * 40, "web", "new on web-1", ("web-1",), "run-1")
ERROR = Event("2026-01-02T03:04:05Z", Kind.ERROR, "none", None, "no answer")
LATER = "2026-01-02T04:00:00Z"


def test_another_process_knows_what_the_one_before_has_learnt(tmp_path: Path) -> None:
    assert Memory(tmp_path).learn([APPLIED, ERROR], whole=False) == [APPLIED, ERROR]
    after = Memory(tmp_path)
    assert after.events == (APPLIED, ERROR)
    assert [event["text"] for event in after.pending] == ["new on web-1"]
    after.published(after.pending)
    assert Memory(tmp_path).pending == ()


def test_what_lasts_is_new_once_until_it_is_over(tmp_path: Path) -> None:
    again = replace(ERROR, at=LATER)
    assert Memory(tmp_path).learn([ERROR], whole=False) == [ERROR]
    assert Memory(tmp_path).learn([again], whole=False) == []
    assert Memory(tmp_path).learn([], whole=False) == []  # it came to nothing: nobody knows that it is over
    assert Memory(tmp_path).learn([again], whole=False) == []
    assert Memory(tmp_path).learn([], whole=True) == []
    assert Memory(tmp_path).learn([again], whole=False) == [again]


def test_secrets_are_not_kept(tmp_path: Path) -> None:
    Memory(tmp_path).learn([replace(ERROR, text="https://bob:hunter22@git.test")], whole=False)
    assert "hunter22" not in (tmp_path / "memory.json").read_text()


def test_the_oldest_events_are_forgotten(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.learn([replace(APPLIED, run=f"run-{number}") for number in range(MOST_EVENTS + 5)], whole=True)
    assert (len(memory.events), memory.events[0].run) == (MOST_EVENTS, "run-5")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00\x00"])
def test_a_damaged_memory_is_a_new_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "memory.json").write_text(content)
    memory = Memory(tmp_path)
    assert (memory.events, memory.pending) == ((), ())
    assert memory.learn([ERROR], whole=False) == [ERROR]


def test_only_the_newest_journals_stay(tmp_path: Path) -> None:
    for number in range(503):
        (tmp_path / f"20260101T{number:06}Z-x.jsonl").touch()
    prune(tmp_path)
    kept = sorted(file.name for file in tmp_path.iterdir())
    assert (len(kept), kept[0]) == (500, "20260101T000003Z-x.jsonl")
