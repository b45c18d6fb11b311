# SPDX-License-Identifier: Apache-2.0
"""A connection that ends between a change and its answer: it is asked for again, and only that is claimed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fleetsched.errors import ExitCode, UnreachableError
from fleetsched.helper.client import HelperClient
from fleetsched.helper.simulated import EXIT_STALL
from fleetsched.model.rollout import Phase
from fleetsched.model.strategy import Count, FailureBudget, Percent, Step
from tests.unit.rollout.test_engine import NEW, OLD, STRATEGY, Fleet, make_fleet, policy

__all__ = ["make_fleet"]

AT_ONCE = replace(STRATEGY, steps=(Step("percent", 100, 15),))
FORGIVING = replace(AT_ONCE, failure_budget=FailureBudget(unreachable=Percent(100)))
LOST = UnreachableError("c: the connection ended before the answer")
NO_ROUTE = UnreachableError("c: no route to host")

Lose = Callable[..., None]


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Lose:
    """Lose host c with its first such verb; `done`: after it was carried out; `gone`: for good."""

    def lose(fleet: Fleet, verb: str, *, done: bool, gone: bool = False) -> None:
        call, lost = getattr(HelperClient, verb), []

        def losing(helper: HelperClient, *arguments: Any, **named: Any) -> Any:
            if helper.host != "c" or lost:
                return call(helper, *arguments, **named)
            lost.append(verb)
            if done:
                call(helper, *arguments, **named)
            fleet.hosts["c"].connect_error = NO_ROUTE if gone else None
            raise LOST

        monkeypatch.setattr(HelperClient, verb, losing)

    return lose


def old_fleet(make_fleet: Any, names: str = "abcd") -> Fleet:
    fleet: Fleet = make_fleet(names=names)
    fleet.apply(policy("old", OLD))
    fleet.events.clear()
    return fleet


def back_at(fleet: Fleet, word: str, after_ms: int = 0) -> None:
    """Host c is reached again as soon as this is told of any host; so much time has gone by there."""

    def report(event: Any) -> None:
        fleet.events.append(event)
        host = fleet.hosts["c"]
        if event.word == word and host.connect_error:
            host.clock.advance(after_ms)
            host.connect_error = None

    fleet.report = report


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(("verb", "wanted"), [("confirm", "new"), ("stop", None)])
def test_host_is_asked_again_and_is_as_wanted(make_fleet, lose: Lose, verb, wanted, done: bool) -> None:
    fleet = old_fleet(make_fleet)
    lose(fleet, verb, done=done)

    outcome = fleet.apply(policy("new", NEW) if wanted else None)

    assert outcome.exit_code is ExitCode.OK
    assert set(outcome.phases.values()) == {Phase.CONFIRMED}
    assert set(fleet.running().values()) == {wanted}


def test_a_trial_that_ended_meanwhile_has_failed(make_fleet, lose: Lose) -> None:
    fleet = old_fleet(make_fleet, "c")
    lose(fleet, "confirm", done=False)
    hello = HelperClient.hello

    def later(helper: HelperClient) -> Any:
        if fleet.hosts["c"].trial:
            fleet.hosts["c"].eject(EXIT_STALL)
        return hello(helper)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HelperClient, "hello", later)
        outcome = fleet.apply(policy("new", NEW))

    assert outcome.details["c"].startswith("ejected by the kernel: runnable task stall")
    assert outcome.exit_code is ExitCode.ROLLED_BACK


@pytest.mark.parametrize(
    ("verb", "wanted", "may"),
    [("confirm", "new", str(policy("new", NEW))), ("stop", None, "the kernel's scheduler")],
)
def test_a_host_that_stays_away_is_named_and_the_run_does_not_say_that_all_is_back(
    make_fleet, lose: Lose, verb: str, wanted: str | None, may: str
) -> None:
    fleet = old_fleet(make_fleet)
    lose(fleet, verb, done=True, gone=True)

    outcome = fleet.apply(policy("new", NEW) if wanted else None)

    assert outcome.exit_code is ExitCode.NOT_ROLLED_BACK
    assert outcome.phases["c"] is Phase.NOT_ROLLED_BACK
    assert outcome.details["c"] == (
        f"c: the connection ended before the answer; it runs {may}, or what it ran before: that is not known "
        "(see `fleetsched plan --limit c` once it answers); not put back: c: no route to host"
    )
    assert outcome.rollout.over_budget
    assert fleet.running() == {"a": "old", "b": "old", "c": wanted, "d": "old"}
    assert [event.word for event in fleet.events if event.host == "c"][-2:] == [
        "unreachable",
        "not rolled back",
    ]


@pytest.mark.parametrize(("verb", "wanted"), [("confirm", "new"), ("stop", None)])
def test_a_host_that_comes_back_in_time_is_put_back_with_the_others(
    make_fleet, lose: Lose, verb: str, wanted: str | None
) -> None:
    fleet = old_fleet(make_fleet)
    lose(fleet, verb, done=True, gone=True)
    back_at(fleet, "rolled back")

    outcome = fleet.apply(policy("new", NEW) if wanted else None)

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert outcome.phases["c"] is Phase.ROLLED_BACK
    assert set(fleet.running().values()) == {"old"}


@pytest.mark.parametrize("expired", [True, False])
def test_a_host_that_never_got_the_change_is_left_as_it_is(make_fleet, lose: Lose, expired: bool) -> None:
    fleet = old_fleet(make_fleet)
    host = fleet.hosts["c"]
    lose(fleet, "confirm", done=False, gone=True)
    back_at(fleet, "rolled back", after_ms=90_000 if expired else 0)

    outcome = fleet.apply(policy("new", NEW))

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert outcome.details["c"] == f"it was never changed, and runs {policy('old', OLD)}"
    assert set(fleet.running().values()) == {"old"}
    assert host.trial is None
    assert bool(host.disk.held) == expired  # the host's own doing


def test_within_the_budget_the_run_goes_on_and_the_host_is_out_of_reach(make_fleet, lose: Lose) -> None:
    fleet = old_fleet(make_fleet)
    lose(fleet, "confirm", done=True, gone=True)

    outcome = fleet.apply(policy("new", NEW), FORGIVING)

    assert outcome.exit_code is ExitCode.UNREACHABLE
    assert outcome.phases["c"] is Phase.UNREACHABLE
    assert "or what it ran before: that is not known" in outcome.details["c"]


def test_a_failure_within_the_budget_does_not_hide_that_a_host_is_not_known_to_be_back(
    make_fleet, lose: Lose
) -> None:
    fleet = old_fleet(make_fleet, "bc")
    fleet.hosts["b"].problems.append({"code": "no-btf", "message": "no BTF", "remedy": "-"})
    lose(fleet, "confirm", done=True, gone=True)
    budget = FailureBudget(failed=Count(1), unreachable=Count(1))

    outcome = fleet.apply(policy("new", NEW), replace(AT_ONCE, failure_budget=budget))

    assert outcome.exit_code is ExitCode.NOT_ROLLED_BACK
    assert outcome.phases["c"] is Phase.NOT_ROLLED_BACK
