# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.errors import ExitCode
from fleetsched.fleetrepo.decode import percent
from fleetsched.model.rollout import (
    Batch,
    Done,
    Phase,
    RollBack,
    Rollout,
    Start,
    Wait,
    allows,
    cut_batches,
    decide,
)
from fleetsched.model.strategy import Count, FailureBudget, Percent, RolloutStrategy, Step

HOSTS = ("a", "b", "c")
CAREFUL = RolloutStrategy("careful", (Step("hosts", 1, 10), Step("percent", 100, 20)))


def test_steps_count_from_the_start_and_round_up() -> None:
    steps = (Step("hosts", 1, 5), Step("percent", 50, 6), Step("percent", 100, 7))

    assert cut_batches(("a", "b", "c", "d", "e"), steps) == (
        Batch(("a",), 5),
        Batch(("b", "c"), 6),
        Batch(("d", "e"), 7),
    )


# Of most numbers of hosts a share is no whole number: those of which it is one are asked for.
@given(
    st.integers(1, 10_000) | st.integers(1, 100).map(lambda percents: percents * 100),
    st.integers(0, 1500) | st.integers(1, 15).map(lambda hundreds: hundreds * 100),
)
def test_share_of_a_step_is_rounded_up_from_what_is_written(hundredths: int, hosts: int) -> None:
    written = f"{hundredths // 100}.{hundredths % 100:02}%"
    names = tuple(map(str, range(hosts)))

    first = cut_batches(names, (Step("percent", percent(written), 1),))

    expected = -(-hundredths * hosts // 10_000)
    assert sum(len(batch.hosts) for batch in first) == expected


@pytest.mark.parametrize("share", [7, 14, 28, 55, 56])
def test_whole_share_of_a_hundred_hosts_is_as_many(share: int) -> None:
    (batch,) = cut_batches(tuple(map(str, range(100))), (Step("percent", float(share), 1),))
    assert len(batch.hosts) == share


def test_step_that_adds_no_host_is_left_out() -> None:
    assert cut_batches(("a",), CAREFUL.steps) == (Batch(("a",), 10),)


@pytest.mark.parametrize(
    ("limit", "count", "total", "within"),
    [
        (Count(0), 0, 3, True),
        (Count(0), 1, 3, False),
        (Percent(10), 1, 10, True),
        (Percent(10), 1, 9, False),
    ],
)
def test_budget_is_exceeded_only_beyond_its_limit(
    limit: Count | Percent, count: int, total: int, within: bool
) -> None:
    assert allows(limit, count, total) is within


@given(st.integers(0, 1000), st.integers(0, 300), st.integers(0, 300))
def test_budget_of_a_group_allows_the_same_in_numbers(tenths: int, count: int, total: int) -> None:
    share = Percent(tenths / 10)
    in_hosts = FailureBudget(failed=share).of(total)

    assert in_hosts.unreachable == Count(0)
    assert (
        allows(share, count, total) is allows(in_hosts.failed, count, 1) is (count * 1000 <= tenths * total)
    )


def test_canary_goes_first_and_the_rest_waits_for_it() -> None:
    rollout = Rollout.begin(HOSTS, CAREFUL)

    assert decide(rollout) == Start(0, Batch(("a",), 10))
    rollout = rollout.started()
    assert decide(rollout) == Wait(abort=False)
    rollout = rollout.record("a", Phase.CONFIRMED)
    assert decide(rollout) == Start(1, Batch(("b", "c"), 20))
    rollout = rollout.started().record("b", Phase.CONFIRMED).record("c", Phase.CONFIRMED)
    assert decide(rollout) == Done(ExitCode.OK)


def test_failed_canary_leaves_the_others_untouched() -> None:
    rollout = Rollout.begin(HOSTS, CAREFUL).started().record("a", Phase.FAILED)

    assert decide(rollout) == Done(ExitCode.ROLLED_BACK)
    assert rollout.within(Phase.WAITING) == ("b", "c")


def test_failure_in_a_later_step_aborts_its_step_and_rolls_the_confirmed_back() -> None:
    rollout = Rollout.begin(HOSTS, CAREFUL).started().record("a", Phase.CONFIRMED).started()
    rollout = rollout.record("b", Phase.FAILED)

    assert decide(rollout) == Wait(abort=True)
    rollout = rollout.record("c", Phase.REVERTED)
    assert decide(rollout) == RollBack(("a",))
    rollout = rollout.rolling_back(("a",))
    assert decide(rollout) == Wait(abort=True)
    assert decide(rollout.record("a", Phase.ROLLED_BACK)) == Done(ExitCode.ROLLED_BACK)
    assert decide(rollout.record("a", Phase.NOT_ROLLED_BACK)) == Done(ExitCode.NOT_ROLLED_BACK)


def test_strategy_that_stops_keeps_what_is_confirmed_and_says_so() -> None:
    stops = RolloutStrategy("stops", CAREFUL.steps, on_failure="stop")
    rollout = Rollout.begin(HOSTS, stops).started().record("a", Phase.CONFIRMED).started()
    rollout = rollout.record("b", Phase.FAILED)

    assert decide(rollout) == Wait(abort=False)
    assert decide(rollout.record("c", Phase.CONFIRMED)) == Done(ExitCode.NOT_ROLLED_BACK)


def test_unreachable_hosts_within_their_budget_do_not_stop_the_rollout() -> None:
    lenient = RolloutStrategy("lenient", CAREFUL.steps, failure_budget=FailureBudget(Count(0), Percent(40)))
    rollout = Rollout.begin(HOSTS, lenient, unreachable=("b",))

    assert rollout.batches == (Batch(("a",), 10), Batch(("c",), 20))
    rollout = rollout.started().record("a", Phase.CONFIRMED).started().record("c", Phase.CONFIRMED)
    assert decide(rollout) == Done(ExitCode.UNREACHABLE)


def test_refused_host_beyond_the_budget_starts_nothing() -> None:
    assert decide(Rollout.begin(HOSTS, CAREFUL, cannot=("c",))) == Done(ExitCode.ROLLED_BACK)


def test_interrupt_ends_the_step_and_starts_no_other() -> None:
    rollout = Rollout.begin(HOSTS, CAREFUL).started().interrupt()

    assert decide(rollout) == Wait(abort=False)
    assert decide(rollout.record("a", Phase.CONFIRMED)) == Done(ExitCode.INTERRUPTED)


def test_host_cannot_report_twice() -> None:
    rollout = Rollout.begin(HOSTS, CAREFUL).started().record("a", Phase.CONFIRMED)

    with pytest.raises(ValueError, match="a is confirmed and cannot become failed"):
        rollout.record("a", Phase.FAILED)


_budgets = st.one_of(st.integers(0, 3).map(Count), st.integers(0, 100).map(lambda p: Percent(float(p))))


@given(st.data())
def test_every_order_of_events_ends_and_never_leaves_a_failure_half_undone(data: st.DataObject) -> None:
    hosts = tuple("abcdef"[: data.draw(st.integers(0, 6))])
    sizes = data.draw(st.lists(st.integers(1, 5), max_size=3))
    strategy = RolloutStrategy(
        "any",
        (*(Step("hosts", size, 1) for size in sorted(sizes)), Step("percent", 100, 1)),
        failure_budget=FailureBudget(data.draw(_budgets), data.draw(_budgets)),
        on_failure=data.draw(st.sampled_from(["rollback", "stop"])),
    )
    rollout = Rollout.begin(hosts, strategy)
    for _ in range(60):
        match decide(rollout):
            case Start(_, batch):
                # A step starts only when every host before it has ended well enough.
                assert not rollout.within(Phase.WORKING, Phase.ROLLING_BACK)
                assert not rollout.over_budget
                assert batch.hosts
                rollout = rollout.started()
            case RollBack(undo):
                rollout = rollout.rolling_back(undo)
            case Wait(abort):
                host = data.draw(st.sampled_from(rollout.within(Phase.WORKING, Phase.ROLLING_BACK)))
                ends = [Phase.CONFIRMED, Phase.FAILED, Phase.UNREACHABLE]
                if abort:
                    ends.append(Phase.REVERTED)
                if rollout.phases[host] is Phase.ROLLING_BACK:
                    ends = [Phase.ROLLED_BACK, Phase.NOT_ROLLED_BACK]
                rollout = rollout.record(host, data.draw(st.sampled_from(ends)))
                if data.draw(st.integers(0, 9)) == 0:
                    rollout = rollout.interrupt()
            case Done(code):
                break
    else:
        raise AssertionError("the rollout did not end")

    assert not rollout.within(Phase.WORKING, Phase.ROLLING_BACK)
    if code is ExitCode.OK:
        assert not rollout.within(*(frozenset(Phase) - {Phase.CONFIRMED}))
    if rollout.over_budget and rollout.rolls_back:
        assert not rollout.within(Phase.CONFIRMED)
        undone = {ExitCode.ROLLED_BACK, ExitCode.NOT_ROLLED_BACK, ExitCode.UNREACHABLE}
        assert code in undone | ({ExitCode.INTERRUPTED} if rollout.interrupted else set())
