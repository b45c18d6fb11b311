# SPDX-License-Identifier: Apache-2.0
"""Leaving a run in the middle: what no worker has begun is not begun any more."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from fleetsched.errors import UnreachableError
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Claim, Desired, plan_hosts
from fleetsched.model.strategy import RolloutStrategy, SchedulerCheck, Step
from fleetsched.operations.observe import Reach, look_at, reach
from fleetsched.rollout.engine import roll_out
from fleetsched.rollout.journal import Journal
from fleetsched.rollout.run import HostEvent, Run
from fleetsched.rollout.session import HostSession, Sessions
from tests.unit.rollout.test_engine import HELPER, NEW, policy

AT_ONCE = RolloutStrategy("s", (Step("percent", 100, 15),), (SchedulerCheck(),), trial_deadline_s=90)
HOSTS = [Host(name, name) for name in "abcd"]
LIMIT_S = 60.0


def begin_on_all(reached: Reach, journal: Journal, report) -> None:
    plans = plan_hosts(
        {host.name: Desired(Claim.GOAL, "web", "web", policy("new", NEW)) for host in HOSTS}, look_at(reached)
    )
    run = Run(
        id="run-1",
        owner="ann@desk",
        revision="c" * 40,
        sessions=Sessions(reached.sessions),
        objects={policy("new", NEW).digest: NEW},
        executor=reached.executor,
        renewals=reached.renewals,
        journal=journal,
        report=report,
    )
    roll_out(run, {plan.host: plan for plan in plans}, AT_ONCE)


def closing(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let closing a session take a moment, as SSH does; the event says that the first is closed."""
    closed = threading.Event()
    close = HostSession.close

    def slowly(session: HostSession) -> None:
        close(session)
        closed.set()
        time.sleep(0.05)  # what a freed worker would need to begin its next host; longer changes nothing

    monkeypatch.setattr(HostSession, "close", slowly)
    return closed


def test_closing_a_session_begins_no_work_that_is_in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    first, closed = threading.Event(), closing(monkeypatch)

    def work(host: str) -> None:
        begun.append(host)
        first.set()
        assert closed.wait(LIMIT_S)

    def leave() -> None:
        with reach(HOSTS, SimulatedTransport({}), lambda arch: HELPER, 1) as reached:
            for host in HOSTS:
                reached.executor.submit(work, host.name)
            assert first.wait(LIMIT_S)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert begun == ["a"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_hosts_in_line_are_not_begun_when_the_run_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    begun: list[str] = []
    both, closed = threading.Event(), closing(monkeypatch)

    def report(event: HostEvent) -> None:
        if event.word == "staging":
            begun.append(event.host)
            if event.host == "a":
                assert both.wait(LIMIT_S)
            else:
                both.set()
                assert closed.wait(LIMIT_S)
        if event.word == "confirmed":  # told by the main thread, where the signal is
            raise error

    simulated = {host.name: SimulatedHost(host.name) for host in HOSTS}
    with Journal(tmp_path / "j", lambda: "now") as journal, pytest.raises(error):  # noqa: SIM117 (what reach raises is seen)
        with reach(HOSTS, SimulatedTransport(simulated), lambda arch: HELPER, 2) as reached:
            begin_on_all(reached, journal, report)

    assert sorted(begun) == ["a", "b"]
    assert [host.kernel.ops for host in simulated.values()] == ["new", None, None, None]


def test_a_session_that_has_ended_connects_no_more() -> None:
    transport = SimulatedTransport({"a": SimulatedHost("a")})
    session = HostSession(Host("a", "a"), transport, lambda arch: HELPER)
    session.helper()
    session.end()
    with pytest.raises(UnreachableError, match="a: the run has ended here"):
        session.reconnect()
    assert transport.connects == ["a"]


def test_a_connection_that_came_up_after_the_end_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = SimulatedTransport({"a": SimulatedHost("a")})
    session = HostSession(Host("a", "a"), transport, lambda arch: HELPER)
    connect, made = transport.connect, []

    def slowly(host: Host):
        session.end()
        made.append(connect(host))
        return made[0]

    monkeypatch.setattr(transport, "connect", slowly)
    with pytest.raises(UnreachableError):
        session.helper()
    with pytest.raises(UnreachableError, match="the connection is lost"):
        made[0].open(["anything"])
