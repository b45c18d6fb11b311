# SPDX-License-Identifier: Apache-2.0
"""What the journal of a killed run means, and which hosts it would still have put back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.model.assignment import Assignment
from fleetsched.model.cut_off import CutOff, abandoned, blameless, cut_off, to_put_back
from fleetsched.model.plan import Observed
from fleetsched.model.state import ExitRecord, Held, HistoryEntry
from fleetsched.model.strategy import BUILT_IN_STRATEGY, Count, FailureBudget, Percent
from tests.unit.builders import STALL, assignment, confirmed, held, record, status

NEW, OLD = assignment("new"), assignment("old", "b")
BEGUN: list[dict[str, Any]] = [
    {"event": "run", "run": "r1", "owner": "me"},
    {"event": "lease", "host": "a", "token": 3},
    {"event": "goal", "goal": "web", "hosts": ["a", "b"], "group_size": 9, "heals": ["b"]},
]
CUT = CutOff("r1", "me", {"a": 3}, {"web": ("a", "b")}, frozenset({"b"}), {"web": 9})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], None),
        ([{"event": "step", "number": 0}], None),
        (BEGUN, CUT),
        ([*BEGUN, {"event": "host", "host": "a"}, {"event": "rollback", "hosts": ["a"]}], CUT),
        ([*BEGUN, {"event": "goal", "goal": None, "hosts": ["c"], "heals": []}], CUT),
        ([*BEGUN, {"event": "end", "exit_code": 0}], None),
        ([*BEGUN, {"event": "given-up", "why": "lease held"}], None),
        ([*BEGUN, {"event": "taken-over"}], None),
        ([{"event": "rollback-run", "run": "r2", "owner": "me", "undoes": "r1"}], CutOff("r2", "me", {}, {})),
        ([{"event": "helper-run", "run": "r3", "owner": "me"}], None),
    ],
)
def test_a_journal_without_an_end_is_of_a_run_that_was_cut_off(
    events: list[dict[str, Any]], expected: CutOff | None
) -> None:
    assert cut_off(events) == expected


def entry(
    event: str, run: str = "r1", what: Assignment = NEW, exit_: ExitRecord | None = None
) -> HistoryEntry:
    return HistoryEntry("2026-01-02T03:04:05Z", "boot", 1000, event, what, run, exit_, "")


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([entry("try"), entry("attached"), entry("expired"), entry("held")], [held(NEW)]),
        ([entry("ejected", "r0", exit_=STALL), entry("expired")], [held(NEW)]),
        ([entry("expired"), entry("ejected", exit_=STALL)], []),
        ([entry("expired", "r0")], []),
        (
            [entry("expired", exit_=ExitRecord(65, "UNREG_BPF", 0, "lease", "the fleetsched lease ran out"))],
            [],
        ),
        ([entry("revert")], []),
        ([entry("expired", what=OLD)], []),
        ([], []),
    ],
)
def test_only_what_expired_unwatched_is_held_without_blame(
    history: list[HistoryEntry], expected: list[Held]
) -> None:
    assert blameless("r1", status(held=(held(NEW),)), history) == expected


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([entry("expired"), entry("held")], [held(NEW)]),
        ([entry("expired", "r0", OLD), entry("expired")], [held(NEW)]),
        ([entry("expired", "r0"), entry("released"), entry("expired")], []),
        ([entry("expired", "r0")], []),
        ([entry("ejected", exit_=STALL)], []),
    ],
)
def test_what_another_run_left_unconfirmed_is_without_blame_once(
    history: list[HistoryEntry], expected: list[Held]
) -> None:
    assert abandoned("r1", status(held=(held(NEW),)), history) == expected


def by(run: str, what: Assignment = NEW) -> Observed:
    return Observed(status=replace(confirmed(what), last_known_good=replace(record(what), run=run)))


FAILED = Observed(status=replace(confirmed(OLD), held=(held(NEW),)))
OUT = Observed(error="no answer")
THREE = CutOff("r1", "me", {}, {"web": ("a", "b", "c")})


@pytest.mark.parametrize(
    ("observed", "budget", "expected"),
    [
        ({"a": by("r1"), "b": FAILED, "c": by("r0", OLD)}, 0, ["a"]),
        ({"a": by("r1"), "b": FAILED, "c": by("r1")}, 0, ["a", "c"]),
        ({"a": by("r1"), "b": FAILED, "c": by("r1")}, 1, []),
        ({"a": by("r1"), "b": by("r1"), "c": by("r0", OLD)}, 0, []),
        ({"a": by("r0"), "b": FAILED, "c": by("r0", OLD)}, 0, []),
        # Put back already: its record is of the same run, but of what it ran before.
        ({"a": by("r1", OLD), "b": FAILED, "c": by("r1")}, 0, ["c"]),
        ({"a": by("r1"), "b": OUT}, 0, []),
    ],
)
def test_hosts_are_put_back_when_more_failed_than_may(
    observed: dict[str, Observed], budget: int, expected: list[str]
) -> None:
    strategy = replace(BUILT_IN_STRATEGY, failure_budget=FailureBudget(Count(budget)))
    assert sorted(to_put_back(THREE, observed, {"web": strategy})) == expected


@pytest.mark.parametrize(("group_size", "expected"), [(9, ["a"]), (10, [])])
def test_share_that_may_fail_is_of_the_whole_group(group_size: int, expected: list[str]) -> None:
    strategy = replace(BUILT_IN_STRATEGY, failure_budget=FailureBudget(Percent(10)))
    cut = replace(THREE, group_sizes={"web": group_size})
    assert to_put_back(cut, {"a": by("r1"), "b": FAILED}, {"web": strategy}) == expected


def test_a_strategy_that_stops_and_a_host_that_was_healed_are_left_at_that() -> None:
    observed = {"a": by("r1"), "b": FAILED}
    assert to_put_back(THREE, observed, {"web": replace(BUILT_IN_STRATEGY, on_failure="stop")}) == []
    assert to_put_back(replace(THREE, heals=frozenset("a")), observed, {"web": BUILT_IN_STRATEGY}) == []
    assert to_put_back(THREE, observed, {}) == []


EVENTS = st.sampled_from([*BEGUN, {"event": "host", "host": "a"}, {"event": "end"}, {"event": "taken-over"}])


@given(st.lists(EVENTS))
def test_whatever_follows_an_end_is_never_taken_over(events: list[dict[str, Any]]) -> None:
    ended = any(event["event"] in ("end", "taken-over") for event in events)
    assert cut_off(events) is None or not ended
