# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.gates import cache
from fleetsched.gates.cache import ResultCache
from fleetsched.model.gate import Gate, GateFinding, GateResult, GateVerdict

PASSED = GateResult(Gate.STRESS, GateVerdict.PASSED, "6.18.15", 14.2, log="all of it")


def test_a_verdict_is_kept_with_its_log(tmp_path: Path) -> None:
    kept = ResultCache(tmp_path)
    kept.put(PASSED, "ab", "machine")
    assert kept.get(Gate.STRESS, "ab", "machine") == replace(PASSED, cached=True)


@pytest.mark.parametrize(
    "other", [(Gate.SOAK, "ab", "machine"), (Gate.STRESS, "cd", "machine"), (Gate.STRESS, "ab", "another")]
)
def test_it_is_of_this_gate_object_and_machine_only(tmp_path: Path, other: tuple[Gate, str, str]) -> None:
    kept = ResultCache(tmp_path)
    kept.put(PASSED, "ab", "machine")
    assert kept.get(*other) is None


def test_other_gates_judge_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ResultCache(tmp_path)
    kept.put(PASSED, "ab", "machine")
    monkeypatch.setattr(cache, "judges_digest", lambda: "of other gates")
    assert kept.get(Gate.STRESS, "ab", "machine") is None


@pytest.mark.parametrize(
    "result",
    [
        replace(PASSED, verdict=GateVerdict.ERROR),
        replace(PASSED, verdict=GateVerdict.SKIPPED),
        replace(PASSED, verdict=GateVerdict.FAILED, findings=(GateFinding("machine-hangs", "no answer"),)),
    ],
)
def test_what_may_have_other_reasons_is_forgotten(tmp_path: Path, result: GateResult) -> None:
    kept = ResultCache(tmp_path)
    kept.put(result, "ab", "machine")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_entry_is_none(tmp_path: Path) -> None:
    kept = ResultCache(tmp_path)
    kept.put(PASSED, "ab", "machine")
    (entry,) = tmp_path.iterdir()
    entry.write_text("{")
    assert kept.get(Gate.STRESS, "ab", "machine") is None
