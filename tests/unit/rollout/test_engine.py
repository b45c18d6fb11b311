# SPDX-License-Identifier: Apache-2.0
"""Whole rollouts over simulated hosts: real engine, real client, real protocol, no virtual machine."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fleetsched.errors import ExitCode, UnreachableError
from fleetsched.helper.simulated import EXIT_ERROR, EXIT_STALL, Behaviour, SimulatedHost, SimulatedTransport
from fleetsched.helper.simulated.verbs import status
from fleetsched.model.assignment import Assignment
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Claim, Desired, plan_hosts
from fleetsched.model.rollout import Phase
from fleetsched.model.strategy import HostCheck, RolloutStrategy, SchedulerCheck, Step
from fleetsched.rollout.engine import Outcome, roll_out
from fleetsched.rollout.journal import Journal
from fleetsched.rollout.run import HostEvent, Run, StopRequest
from fleetsched.rollout.session import HelperFiles, HostSession, Sessions

OLD, NEW = b"old object", b"new object"
STRATEGY = RolloutStrategy(
    "careful", (Step("hosts", 1, 15), Step("percent", 100, 15)), (SchedulerCheck(),), trial_deadline_s=90
)
# The first bytes of an ELF file for x86_64, which is all that the installer looks at.
HELPER = HelperFiles(b"\x7fELF\x02\x01" + bytes(12) + b"\x3e\x00", b"[Service]\n")


def policy(name: str, data: bytes) -> Assignment:
    return Assignment.of(name, "default", hashlib.sha256(data).hexdigest(), {"slice_us": 3000})


@dataclass
class Fleet:
    """Simulated hosts, and what a run needs to reach them."""

    folder: Path
    hosts: dict[str, SimulatedHost]
    events: list[HostEvent] = field(default_factory=list)
    report: Callable[[HostEvent], None] | None = None
    run_number: int = 0

    def apply(
        self,
        assignment: Assignment | None,
        strategy: RolloutStrategy = STRATEGY,
        stop: StopRequest | None = None,
    ) -> Outcome:
        transport = SimulatedTransport(self.hosts)
        sessions = {
            name: HostSession(Host(name, name), transport, lambda arch: HELPER) for name in self.hosts
        }
        desired = {name: Desired(Claim.GOAL, "web", "web", assignment) for name in self.hosts}
        self.run_number += 1
        with ThreadPoolExecutor(4) as executor, Journal(self.folder / "run.jsonl", lambda: "now") as journal:
            plans = plan_hosts(desired, {name: session.look() for name, session in sessions.items()})
            run = Run(
                id=f"run-{self.run_number}",
                owner="ann@desk, run-1",
                revision="c" * 40,
                sessions=Sessions(sessions),
                objects={hashlib.sha256(data).hexdigest(): data for data in (OLD, NEW)},
                executor=executor,
                renewals=executor,
                journal=journal,
                report=self.report or self.events.append,
                stop=stop or StopRequest(),
            )
            outcome = roll_out(
                run, {plan.host: plan for plan in plans if plan.changes or plan.reason}, strategy
            )
            for session in sessions.values():
                session.drop_lease()
            return outcome

    def running(self) -> dict[str, str | None]:
        return {name: host.kernel.ops for name, host in self.hosts.items()}


@pytest.fixture
def make_fleet(tmp_path: Path) -> Iterator[object]:
    def make(behaviours: Mapping[str, Behaviour] | None = None, names: str = "abc") -> Fleet:
        hosts = {name: SimulatedHost(name, behaviours=behaviours or {}) for name in names}
        return Fleet(tmp_path, hosts)

    return make


def test_policy_reaches_every_host_canary_first(make_fleet) -> None:
    fleet = make_fleet()

    outcome = fleet.apply(policy("old", OLD))

    assert outcome.exit_code is ExitCode.OK
    assert fleet.running() == {"a": "old", "b": "old", "c": "old"}
    confirmed = [event.host for event in fleet.events if event.word == "confirmed"]
    assert confirmed[0] == "a"
    assert set(confirmed) == {"a", "b", "c"}


def test_stalling_canary_is_ejected_and_no_other_host_is_touched(make_fleet) -> None:
    fleet = make_fleet({"new": Behaviour(ejected_after_ms=6000, exit=EXIT_STALL)})
    fleet.apply(policy("old", OLD))
    before = {name: host.kernel.enable_seq for name, host in fleet.hosts.items()}

    outcome = fleet.apply(policy("new", NEW))

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert outcome.rollout.phases == {"a": Phase.FAILED, "b": Phase.WAITING, "c": Phase.WAITING}
    assert outcome.details["a"] == (
        "ejected by the kernel: runnable task stall: kworker/0:1[9] failed to run for 5.120s"
    )
    assert fleet.running() == {"a": "old", "b": "old", "c": "old"}
    assert fleet.hosts["b"].kernel.enable_seq == before["b"]
    assert fleet.hosts["c"].kernel.enable_seq == before["c"]


@pytest.mark.parametrize("on_failure", ["rollback", "stop"])
def test_no_host_in_line_is_tried_after_a_failure_beyond_the_budget(make_fleet, on_failure) -> None:
    fleet = make_fleet({"new": Behaviour(ejected_after_ms=6000)}, names="abcdefghijklmn")
    fleet.apply(policy("old", OLD))
    fleet.events.clear()
    at_once = replace(STRATEGY, steps=STRATEGY.steps[1:], on_failure=on_failure)

    outcome = fleet.apply(policy("new", NEW), at_once)

    attached = {event.host for event in fleet.events if event.word == "enabled"}
    assert 1 <= len(attached) <= 4  # as many as there are workers
    assert outcome.exit_code is ExitCode.ROLLED_BACK
    left = outcome.rollout.phases.keys() - outcome.tried
    assert len(left) >= 14 - 2 * 4
    assert {outcome.phases[host] for host in left} == {Phase.WAITING}
    assert {outcome.details[host] for host in fleet.hosts.keys() - attached} == {
        "not tried: more hosts failed, or did not answer, than the failure budget allows"
    }
    assert {host.disk.trials for name, host in fleet.hosts.items() if name not in attached} == {1}
    assert set(fleet.running().values()) == {"old"}


def test_a_host_that_came_to_its_attach_when_the_others_had_failed_is_not_tried(make_fleet) -> None:
    fleet = make_fleet(names="ab")
    staging, failed = threading.Event(), threading.Event()

    def report(event: HostEvent) -> None:
        if event.host == "a" and event.word == "staging":
            assert staging.wait(60)
            raise ZeroDivisionError  # ends the work on it
        if event.host == "a" and event.word == "failed":
            failed.set()
        if event.host == "b" and event.word == "staging":
            staging.set()
            assert failed.wait(60)

    fleet.report = report

    outcome = fleet.apply(policy("new", NEW), replace(STRATEGY, steps=STRATEGY.steps[1:]))

    assert outcome.phases["b"] is Phase.REVERTED
    assert outcome.details["b"].startswith("not tried: more hosts failed")
    assert "b" in outcome.tried  # its object was staged
    assert fleet.hosts["b"].kernel.enable_seq == 0


def test_policy_that_does_not_come_up_leaves_the_old_one(make_fleet) -> None:
    fleet = make_fleet({"new": Behaviour(init_exit=EXIT_ERROR)})
    fleet.apply(policy("old", OLD))

    outcome = fleet.apply(policy("new", NEW))

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert "ops.init() failed" in outcome.details["a"]
    assert fleet.running() == {"a": "old", "b": "old", "c": "old"}


def test_failure_in_the_second_step_rolls_the_canary_back_and_holds_the_policy(make_fleet) -> None:
    fleet = make_fleet()
    fleet.apply(policy("old", OLD))
    fleet.hosts["c"].behaviours = {"new": Behaviour(ejected_after_ms=6000)}

    outcome = fleet.apply(policy("new", NEW))

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert outcome.rollout.phases["a"] is Phase.ROLLED_BACK
    assert outcome.rollout.phases["c"] is Phase.FAILED
    assert fleet.running() == {"a": "old", "b": "old", "c": "old"}
    held = fleet.hosts["a"].disk.held[-1]
    assert held["assignment"]["policy"] == "new"
    assert held["why"].startswith("rolled back: c: ejected by the kernel: runnable task stall")


def test_first_policy_ever_that_fails_later_goes_back_to_the_kernels_scheduler(make_fleet) -> None:
    fleet = make_fleet()
    fleet.hosts["c"].behaviours = {"new": Behaviour(ejected_after_ms=6000)}

    outcome = fleet.apply(policy("new", NEW))

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert fleet.running() == {"a": None, "b": None, "c": None}


def test_host_check_that_fails_reverts_the_host(make_fleet) -> None:
    fleet = make_fleet()
    fleet.hosts["a"].checks["nginx"] = {"status": "failed", "exit_code": 1, "output": "502"}
    checks = (SchedulerCheck(), HostCheck(name="nginx", interval_s=2, failures=2))

    outcome = fleet.apply(
        policy("new", NEW), RolloutStrategy("checked", STRATEGY.steps, checks, trial_deadline_s=90)
    )

    assert outcome.details["a"] == "hostCheck nginx: failed (exit 1): 502"
    assert fleet.running() == {"a": None, "b": None, "c": None}


def test_unreachable_host_is_not_failed_and_stops_the_run_beyond_its_budget(make_fleet) -> None:
    fleet = make_fleet()
    fleet.hosts["b"].connect_error = UnreachableError("b: no answer", remedy="is it up?")

    outcome = fleet.apply(policy("new", NEW))

    assert outcome.rollout.phases == {"a": Phase.WAITING, "b": Phase.UNREACHABLE, "c": Phase.WAITING}
    assert outcome.details["b"] == "b: no answer (is it up?)"
    assert outcome.exit_code is ExitCode.UNREACHABLE


def test_helper_is_installed_where_it_is_missing(make_fleet) -> None:
    fleet = make_fleet()
    for host in fleet.hosts.values():
        host.installed = False

    outcome = fleet.apply(policy("new", NEW))

    assert outcome.exit_code is ExitCode.OK
    assert fleet.running() == {"a": "new", "b": "new", "c": "new"}


OTHERS_HELPER = HelperFiles(HELPER.binary + b"another version", HELPER.unit)


def other_run(fleet: Fleet, act: Callable[[HostSession], None]) -> None:
    """Another run, with a helper of another version, comes just before this one's own work on host a."""

    def report(event: HostEvent) -> None:
        fleet.events.append(event)
        if (event.host, event.word) == ("a", "installing"):
            session = HostSession(Host("a", "a"), SimulatedTransport(fleet.hosts), lambda arch: OTHERS_HELPER)
            session.install()
            act(session)

    fleet.report = report


def try_old(session: HostSession) -> str:
    helper = session.helper()
    helper.stage(policy("old", OLD).digest, OLD)
    return helper.try_(
        policy("old", OLD), deadline_s=90, run="r9", revision="d" * 40, token=session.token
    ).trial.id


def test_first_install_leaves_the_helper_and_the_trial_of_a_run_that_was_quicker(make_fleet) -> None:
    fleet = make_fleet(names="a")
    host = fleet.hosts["a"]
    host.installed = False

    def on_trial(session: HostSession) -> None:
        session.take_lease("bob@desk, run r9", 120)
        try_old(session)

    other_run(fleet, on_trial)

    outcome = fleet.apply(policy("new", NEW))

    assert outcome.rollout.phases == {"a": Phase.FAILED}
    assert outcome.details["a"].startswith("a: the lease is held by bob@desk, run r9 for another 120 s")
    assert host.helper_files[0] == hashlib.sha256(OTHERS_HELPER.binary).hexdigest()
    assert (host.lives, host.kernel.ops, host.trial and host.trial.run) == (1, "old", "r9")


def test_first_install_replaces_nothing_that_another_run_has_confirmed_there(make_fleet) -> None:
    fleet = make_fleet(names="a")
    host = fleet.hosts["a"]
    host.installed = False

    def confirmed(session: HostSession) -> None:
        session.take_lease("bob@desk, run r9", 120)
        trial = try_old(session)
        host.clock.advance(20_000)
        session.helper().confirm(trial, session.token)
        session.drop_lease()

    other_run(fleet, confirmed)

    outcome = fleet.apply(policy("new", NEW))

    assert outcome.details == {
        "a": "refused: another run has come before this one: "
        f"last known good none -> {policy('old', OLD)} (plan again)"
    }
    assert fleet.running() == {"a": "old"}
    assert host.disk.last_known_good["run"] == "r9"


def test_helper_that_somebody_installed_meanwhile_is_taken_where_nothing_runs(make_fleet) -> None:
    fleet = make_fleet(names="a")
    fleet.hosts["a"].installed = False
    other_run(fleet, HostSession.close)

    assert fleet.apply(policy("new", NEW)).exit_code is ExitCode.OK
    assert fleet.hosts["a"].helper_files[0] == hashlib.sha256(OTHERS_HELPER.binary).hexdigest()


def test_host_without_sched_ext_is_refused_before_anything_starts(make_fleet) -> None:
    fleet = make_fleet()
    fleet.hosts["b"] = SimulatedHost("b", sched_ext=False)

    outcome = fleet.apply(policy("new", NEW))

    assert outcome.rollout.phases == {"a": Phase.WAITING, "b": Phase.CANNOT, "c": Phase.WAITING}
    assert outcome.rollout.tried == frozenset()
    assert "has no sched_ext" in outcome.details["b"]
    assert outcome.exit_code is ExitCode.ROLLED_BACK


def test_lease_outlives_the_trial_also_where_it_took_long_to_come_to_that(make_fleet) -> None:
    fleet = make_fleet(names="a")
    host = fleet.hosts["a"]
    left_ms: list[tuple[int, int]] = []

    def slow(event: HostEvent) -> None:
        if event.word == "staging":
            host.clock.advance(100_000)
        if event.word == "enabled":
            said = status(host)
            left_ms.append((said["lease"]["expires_in_ms"], said["trial"]["deadline_in_ms"]))

    fleet.report = slow
    fleet.apply(policy("new", NEW))

    assert left_ms == [(120_000, 90_000)]


def test_wish_to_stop_lets_the_step_end_and_starts_no_other(make_fleet) -> None:
    fleet = make_fleet()
    stop = StopRequest()

    def stop_in_the_first_trial(event: HostEvent) -> None:
        if event.word == "enabled":
            stop.request()

    fleet.report = stop_in_the_first_trial

    outcome = fleet.apply(policy("new", NEW), stop=stop)

    assert outcome.exit_code is ExitCode.INTERRUPTED
    assert fleet.running() == {"a": "new", "b": None, "c": None}


def test_wish_to_stop_before_a_rollout_starts_nothing(make_fleet) -> None:
    fleet = make_fleet()
    stop = StopRequest()
    stop.request()

    assert fleet.apply(policy("new", NEW), stop=stop).exit_code is ExitCode.INTERRUPTED
    assert fleet.running() == {"a": None, "b": None, "c": None}


def test_second_run_over_a_finished_one_has_nothing_to_do(make_fleet) -> None:
    fleet = make_fleet()
    fleet.apply(policy("old", OLD))

    assert fleet.apply(policy("old", OLD)).rollout.phases == {}


def test_journal_tells_every_host_in_order(make_fleet) -> None:
    fleet = make_fleet(names="a")

    fleet.apply(policy("old", OLD))

    lines = (fleet.folder / "run.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"at": "now", "event": "step", "number": 0, "hosts": ["a"], "bake_s": 15},
        {"at": "now", "event": "lease", "host": "a", "token": 1},
        {
            "at": "now",
            "event": "host",
            "host": "a",
            "phase": "confirmed",
            "detail": f"{policy('old', OLD)}, enable_seq 1",
        },
    ]
