# SPDX-License-Identifier: Apache-2.0
"""Verdicts of the fault table: what counts as lost, whatever a row expects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleetsched.model.assignment import Assignment
from fleetsched.model.state import EndedTrial, HistoryEntry, KernelState, Record, Running, Status, Trial
from tests.faults.judge import Look, Result, judge
from tests.faults.rows import Outcome, Row

GOOD = Assignment.of("fair", "default", "a" * 64, {})
OTHER = Assignment.of("fair", "default", "a" * 64, {"slice_us": 7000})
ON = KernelState("enabled", "fair", 3, switch_all=True)
OFF = KernelState("disabled", None, 3, switch_all=False)
RECORD = Record(GOOD, "run-1", "abc", "2026-01-01T00:00:00Z", "6.18.15", "0-1")
CONFIRMED = Status("boot-1", 50_000, ON, running=Running(GOOD, "fair", 3), last_known_good=RECORD)
TRIAL = replace(
    CONFIRMED,
    running=Running(OTHER, "fair", 3),
    trial=Trial("t2", OTHER, "run-2", "abd", "fair", 3, 49_000, 14_000, 9_000),
)


def entry(event: str, at_ms: int, detail: str = "") -> HistoryEntry:
    return HistoryEntry("2026-01-01T00:00:00Z", "boot-1", at_ms, event, GOOD, "run-1", None, detail)


def row(*outcomes: Outcome, **changes: Any) -> Row:
    plain = Row("a fault", "confirmed", "", "6.18", "fault", "", outcomes, 1.0, "", (), "")
    return replace(plain, **changes)


def judged(which: Row, before: Status, after: Status, *news: HistoryEntry) -> Result:
    old = entry("confirm", 40_000)
    return judge(which, Look(before, (old,)), Look(after, (old, *news)), {"fault": 50_000}, ["ok"])


def test_a_host_that_never_left_its_last_known_good() -> None:
    result = judged(row(Outcome("good", untouched=True, answers=("ok",))), CONFIRMED, CONFIRMED)
    assert (result.verdict, result.took_ms) == ("ok", None)


def test_a_host_that_went_away_and_came_back_says_how_long_it_took() -> None:
    after = replace(
        CONFIRMED, kernel=replace(ON, enable_seq=4), running=Running(GOOD, "fair", 4), boottime_ms=60_000
    )
    expected = Outcome("good", events=("service-start", "reattached"), answers=("ok",))
    news = (entry("service-start", 51_000), entry("reattached", 52_500, "at the start of the service"))
    result = judged(row(expected, why="at the start"), CONFIRMED, after, *news)
    assert (result.verdict, result.took_ms, result.after_boot) == ("ok", 2500, False)
    rebooted = judged(row(expected), CONFIRMED, replace(after, boot_id="boot-2"), *news)
    assert (rebooted.verdict, rebooted.took_ms, rebooted.after_boot) == ("ok", 52_500, True)


def test_any_difference_to_what_the_row_expects_is_told() -> None:
    result = judged(row(Outcome("good", untouched=True)), CONFIRMED, CONFIRMED)
    assert (result.verdict, result.loss) == ("OTHERWISE", "")
    assert result.seen == Outcome("good", untouched=True, answers=("ok",))


def test_an_event_that_comes_too_late_is_told() -> None:
    expected = Outcome("good", untouched=True, events=("expired",), answers=("ok",))
    result = judged(row(expected, by_ms=(("expired", 2000),)), CONFIRMED, CONFIRMED, entry("expired", 53_000))
    assert (result.verdict, result.late) == ("OTHERWISE", ("expired after 3000 ms",))


def test_a_row_outside_of_the_promise_may_go_otherwise_and_says_so() -> None:
    result = judged(row(Outcome("kernel"), outside="for a reason"), CONFIRMED, CONFIRMED)
    assert result.verdict == "outside"


@pytest.mark.parametrize(
    ("before", "after", "loss"),
    [
        (
            CONFIRMED,
            replace(CONFIRMED, kernel=OFF, running=None),
            "what was confirmed does not run, and nothing says why",
        ),
        (
            CONFIRMED,
            replace(CONFIRMED, kernel=OFF, running=None, last_known_good=None),
            "the last known good is gone, and nothing says why",
        ),
        (
            TRIAL,
            replace(TRIAL, trial=None),
            "something runs that is neither confirmed nor on trial",
        ),
        (
            CONFIRMED,
            replace(
                CONFIRMED,
                running=Running(OTHER, "fair", 3),
                last_known_good=replace(RECORD, assignment=OTHER),
            ),
            "the last known good is one that nobody confirmed",
        ),
    ],
    ids=["silently off", "record gone", "unconfirmed runs", "never confirmed"],
)
def test_what_counts_as_lost_whatever_the_row_expects(before: Status, after: Status, loss: str) -> None:
    honest = judged(row(), before, after).seen
    result = judged(row(honest), before, after)
    assert (result.verdict, result.loss) == ("LOSS", loss)


def test_a_program_that_outlives_its_scheduler_counts_as_lost() -> None:
    before, after = Look(CONFIRMED, ()), Look(CONFIRMED, (), stray_program=True)
    result = judge(row(Outcome("good", untouched=True)), before, after, {"fault": 50_000}, [])
    assert (result.verdict, result.loss) == ("LOSS", "a scheduler program goes on that is not what runs")


def test_a_trial_that_was_confirmed_is_the_new_record() -> None:
    after = replace(
        TRIAL,
        trial=None,
        last_known_good=replace(RECORD, assignment=OTHER, run="run-2"),
        last_trial=EndedTrial("t2", OTHER, "confirmed", None, 51_000),
    )
    result = judged(row(), TRIAL, after, entry("confirm", 51_000))
    assert result.seen == Outcome(
        "good", untouched=False, events=("confirm",), trial="confirmed", record="new", answers=("ok",)
    )
