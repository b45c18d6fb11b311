# SPDX-License-Identifier: Apache-2.0
"""Experiments on a simulated host: it runs its last known good afterwards, and nothing is held."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fleetsched.bench.interface import EndedError
from fleetsched.bench.measure import ArmImage, Clock, Experiment, measure
from fleetsched.errors import HelperError, LeaseHeldError, RefusedError
from fleetsched.helper.simulated import EXIT_SYSRQ, Behaviour, SimulatedHost, SimulatedTransport
from fleetsched.model.assignment import Assignment
from fleetsched.model.evidence import CANDIDATE, Arm, Evidence, Finding
from fleetsched.model.inventory import Host
from fleetsched.model.workload import own_work
from fleetsched.rollout.experiment import host_target
from fleetsched.rollout.session import HostSession
from fleetsched.rollout.unconfirmed import Order
from tests.unit.rollout.test_engine import HELPER

GOOD, NEW = b"good object", b"new object"
NEW_DIGEST = hashlib.sha256(NEW).hexdigest()
ORDER = Order("ann@desk, run bench-1", "bench-1", "c" * 40, deadline_s=2)
CANDIDATE_ARM = ArmImage(Arm(CANDIDATE, "new", "default", NEW_DIGEST, {"slice_us": 2000}), NEW)
CLOCK = Clock(lambda: 0.0, lambda: datetime(2026, 11, 26, tzinfo=UTC))


def session_of(host: SimulatedHost) -> HostSession:
    return HostSession(Host("web-1", "web-1"), SimulatedTransport({"web-1": host}), lambda arch: HELPER)


def host_with(known_good: bool = False, **behaviour: Any) -> SimulatedHost:
    host = SimulatedHost("web-1")
    host.behaviours["new"] = Behaviour(waits_us=(5,), **behaviour)
    if known_good:
        assignment = Assignment.of("good", "default", hashlib.sha256(GOOD).hexdigest(), {})
        with session_of(host).helper() as helper:
            helper.stage(assignment.digest, GOOD)
            trial = helper.try_(assignment, deadline_s=90, run="r1", revision="a" * 40).trial
            host.clock.advance(20_000)
            helper.confirm(trial.id)
    return host


def experiment_on(
    host: SimulatedHost, *, repeats: int = 8, during: Callable[[str], None] = lambda said: None
) -> Evidence:
    def pause(seconds: float) -> None:
        host.clock.advance(round(seconds * 1000))

    session = session_of(host)
    with host_target(session, ORDER, pause) as target:
        arms = (ArmImage(target.resting_arm), CANDIDATE_ARM)
        wanted = Experiment("new", own_work(2), arms, repeats=repeats, width=None)
        return measure(target, wanted, during, CLOCK)


def memory(host: SimulatedHost) -> tuple[object, ...]:
    disk = host.disk
    return disk.last_known_good, disk.previous, disk.voided, [*disk.held]


@pytest.mark.parametrize(("known_good", "against"), [(False, "kernel-default"), (True, "incumbent")])
def test_a_host_is_compared_with_what_it_runs_and_runs_it_afterwards(known_good: bool, against: str) -> None:
    host = host_with(known_good)
    before = memory(host)

    found = experiment_on(host)

    assert (host.kernel.ops, host.trial, host.lease) == ("good" if known_good else None, None, None)
    assert memory(host) == before
    assert {each.against for each in found.comparisons} == {against}
    (p99,) = [each for each in found.comparisons if each.metric == "wakeup_latency_p99_us"]
    assert p99.finding is Finding.BETTER
    environment = found.environment
    assert (environment.host, environment.accelerator, environment.labels) == ("web-1", "none", ())
    assert found.file_name == f"{NEW_DIGEST[:12]}-own-work-{found.kernel}-web-1.json"


def test_every_run_of_a_policy_is_a_trial_that_is_never_confirmed() -> None:
    host = host_with(known_good=True)
    done = len(host.disk.history)

    experiment_on(host, repeats=3)

    events = [entry["event"] for entry in host.disk.history[done:]]
    assert events == ["stage", *["try", "attached", "revert", "reattached"] * 4]


def on_trial(host: SimulatedHost) -> None:
    with session_of(host).helper() as helper:
        helper.stage(NEW_DIGEST, NEW)
        helper.try_(Assignment.of("other", "default", NEW_DIGEST, {}), deadline_s=90, run="r2", revision="b")


def want_signatures(host: SimulatedHost) -> None:
    host.allowed_signers = "ann ssh-ed25519 AAAA"


@pytest.mark.parametrize(
    ("make_so", "expected"),
    [
        (on_trial, "web-1: other@[0-9a-f]{8} is on trial there, for run r2"),
        (want_signatures, "web-1 takes only signed assignments"),
        (lambda host: host.attach_foreign("scx_lavd"), "web-1 does not run its last known good"),
        (lambda host: host.eject(EXIT_SYSRQ), "web-1 does not run its last known good"),
    ],
)
def test_a_host_in_another_state_is_refused_and_not_touched(
    make_so: Callable[[SimulatedHost], None], expected: str
) -> None:
    host = host_with(known_good=True)
    make_so(host)
    before, ops = memory(host), host.kernel.ops

    with pytest.raises(RefusedError, match=expected):
        experiment_on(host)

    assert (memory(host), host.kernel.ops, host.lease) == (before, ops, None)


def test_a_host_that_another_run_holds_is_left_to_it() -> None:
    host = host_with()
    other = session_of(host)
    other.take_lease("bob@desk, run r9", 600)

    with pytest.raises(LeaseHeldError, match="bob@desk"):
        experiment_on(host)

    assert host.lease is not None
    assert host.lease[0] == "bob@desk, run r9"


def test_an_ejected_candidate_ends_the_experiment_with_the_kernels_reason() -> None:
    host = host_with(known_good=True, ejected_after_ms=1500)

    with pytest.raises(EndedError, match=r"did not stay: runnable task stall: .* \(in the warm-up\)"):
        experiment_on(host)

    assert (host.kernel.ops, host.trial, host.lease) == ("good", None, None)
    assert [held["assignment"]["policy"] for held in host.disk.held] == ["new"]  # for it did fail there


@pytest.mark.parametrize("known_good", [False, True])
def test_whoever_is_interrupted_in_a_trial_leaves_the_host_as_it_was(known_good: bool) -> None:
    host = host_with(known_good)
    before = memory(host)
    session = session_of(host)

    def interrupted() -> None:
        with host_target(session, ORDER, lambda seconds: None) as target:
            target.prepare(own_work(2))
            target.switch_to(CANDIDATE_ARM.arm, NEW)
            assert host.kernel.ops == "new"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert (host.kernel.ops, host.trial, host.lease) == ("good" if known_good else None, None, None)
    assert memory(host) == before


def test_the_host_goes_back_by_itself_when_the_controller_is_gone() -> None:
    host = host_with(known_good=True)
    manager = host_target(session_of(host), ORDER, lambda seconds: None)
    target = manager.__enter__()
    target.switch_to(CANDIDATE_ARM.arm, NEW)

    host.clock.advance(200_000)  # and nobody asks any more

    with session_of(host).helper() as helper:
        status = helper.status()
    assert (host.kernel.ops, status.trial, status.lease) == ("good", None, None)
    assert status.last_known_good is not None
    assert status.last_known_good.run == "r1"


def test_another_scheduler_during_a_run_is_seen_and_a_host_that_does_not_come_back_is_said() -> None:
    host = host_with()

    def attach_by_hand(said: str) -> None:
        host.attach_foreign("scx_lavd")

    with pytest.raises(HelperError) as caught:
        experiment_on(host, during=attach_by_hand)

    assert caught.value.code == "not-restored"
    assert host.lease is None


def test_a_host_that_cannot_count_has_nothing_to_measure_without_a_workload() -> None:
    host = host_with()
    host.observer_refused = "no perf events"

    with pytest.raises(HelperError, match="web-1: its helper cannot count how long tasks wait"):
        experiment_on(host)

    assert not [entry for entry in host.disk.history if entry["event"] == "try"]
