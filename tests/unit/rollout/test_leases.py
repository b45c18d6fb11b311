# SPDX-License-Identifier: Apache-2.0
"""Leases of hosts that wait: renewed in time, by nobody beside the host's own work, and not for ever."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleetsched.errors import LeaseHeldError, UnreachableError
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.helper.simulated.verbs import status
from fleetsched.model.inventory import Host
from fleetsched.rollout import leases
from fleetsched.rollout.journal import Journal, read_journal
from fleetsched.rollout.leases import LeaseKeeper, kept_leases
from fleetsched.rollout.run import HostEvent, Run
from fleetsched.rollout.session import HostSession, Sessions
from tests.unit.rollout.test_engine import HELPER

DEADLINE_S, TTL_S = 120, 150


@dataclass
class Kept:
    """A run over simulated hosts, and the keeper of its leases, on one clock."""

    hosts: dict[str, SimulatedHost]
    run: Run
    pool: ThreadPoolExecutor
    events: list[HostEvent]
    ended: threading.Event = field(default_factory=threading.Event)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.keeper = LeaseKeeper(self.run, self.ended, lambda: self.now)

    def pass_time(self, seconds: int, every_s: int = 5) -> None:
        """Let time pass for all, with the keeper's looks in it."""
        for _ in range(0, seconds, every_s):
            self.now += every_s
            for host in self.hosts.values():
                host.clock.advance(every_s * 1000)
            self.look()

    def look(self) -> None:
        """One look, and the end of the renewals that it begins."""
        self.keeper.look()
        wait([self.pool.submit(lambda: None)])  # the only thread: what was submitted before is done

    def lease(self, host: str) -> tuple[str, int] | None:
        """Who has it, and the milliseconds that are left."""
        said: dict[str, Any] | None = status(self.hosts[host])["lease"]
        return (said["owner"], said["expires_in_ms"]) if said else None

    def told(self) -> list[tuple[str, str]]:
        return [(event.host, event.word) for event in self.events]

    def journalled(self) -> list[tuple[str, str]]:
        return [(event["host"], event["event"]) for event in read_journal(self.run.journal.path)]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    hosts = {name: SimulatedHost(name) for name in "ab"}
    transport = SimulatedTransport(hosts)
    sessions = {name: HostSession(Host(name, name), transport, lambda arch: HELPER) for name in hosts}
    events: list[HostEvent] = []
    with ThreadPoolExecutor(1) as pool, Journal(tmp_path / "run.jsonl", lambda: "now") as journal:
        run = Run("r1", "ann@desk, run r1", "c", Sessions(sessions), {}, pool, pool, journal, events.append)
        yield Kept(hosts, run, pool, events)


def test_lease_of_a_host_that_waits_is_renewed_and_keeps_its_token(kept: Kept) -> None:
    tokens = {name: kept.run.lease(name, DEADLINE_S) for name in kept.hosts}

    for _ in range(10):
        kept.pass_time(100)
        for name in kept.hosts:
            owner, left_ms = kept.lease(name) or ("", 0)
            assert owner == "ann@desk, run r1"
            assert 0.4 * TTL_S <= left_ms / 1000 <= TTL_S

    assert {name: kept.run.lease(name, DEADLINE_S) for name in kept.hosts} == tokens
    assert kept.journalled() == [("a", "lease"), ("b", "lease")]
    assert kept.told() == []


def test_it_is_asked_once_in_half_of_a_lease(kept: Kept) -> None:
    kept.run.lease("a", DEADLINE_S)
    ends = set()
    for _ in range(0, 600, 5):
        kept.pass_time(5)
        ends.add(kept.hosts["a"].lease)
    assert len(ends) == 1 + 600 // 80  # at the first look after 75 s


def test_leases_end_after_the_controller_as_if_nobody_had_renewed_them(kept: Kept) -> None:
    kept.run.lease("a", DEADLINE_S)
    kept.pass_time(400)

    kept.hosts["a"].clock.advance(TTL_S * 1000)

    assert kept.lease("a") is None


def test_host_that_has_no_lease_gets_none(kept: Kept) -> None:
    kept.pass_time(400)
    assert [host.disk.last_token for host in kept.hosts.values()] == [0, 0]


def test_nobody_touches_a_session_while_the_hosts_own_work_has_it(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    take = HostSession.take_lease
    kept.run.lease("a", DEADLINE_S)
    kept.run.lease("b", DEADLINE_S)

    def noted(session: HostSession, owner: str, ttl_s: float) -> int:
        taken.append(session.host.name)
        return take(session, owner, ttl_s)

    monkeypatch.setattr(HostSession, "take_lease", noted)
    with kept.run.sessions.use("a"):
        kept.pass_time(100)
        assert taken == ["b"]
    kept.pass_time(5)
    assert taken == ["b", "a"]


def test_the_hosts_own_work_waits_for_a_renewal_that_is_under_way(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.run.lease("a", DEADLINE_S)
    begun, may_end = threading.Event(), threading.Event()
    order: list[str] = []
    take = HostSession.take_lease

    def slowly(session: HostSession, owner: str, ttl_s: float) -> int:
        begun.set()
        assert may_end.wait(60)
        token = take(session, owner, ttl_s)
        order.append("renewed")
        return token

    def own_work() -> None:
        with kept.run.sessions.use("a"):
            order.append("own work")

    monkeypatch.setattr(HostSession, "take_lease", slowly)
    kept.keeper.look()
    kept.now += 100
    kept.keeper.look()
    assert begun.wait(60)
    worker = threading.Thread(target=own_work)
    worker.start()
    kept.keeper.look()  # begins no second renewal
    may_end.set()
    worker.join()

    assert order == ["renewed", "own work"]


def test_host_that_is_gone_for_a_moment_keeps_its_lease_and_is_told_of_once(kept: Kept) -> None:
    token = kept.run.lease("a", DEADLINE_S)
    kept.run.lease("b", DEADLINE_S)
    kept.hosts["a"].connect_error = UnreachableError("a: no route to host")
    kept.pass_time(130)
    kept.hosts["a"].connect_error = None
    kept.pass_time(270)

    assert kept.lease("a") is not None
    assert kept.run.lease("a", DEADLINE_S) == token
    expected = [("a", "lease not renewed"), ("a", "lease renewed")]
    assert kept.told() == expected
    assert kept.journalled()[2:] == [(host, word.replace(" ", "-")) for host, word in expected]
    assert kept.lease("b") is not None


def test_lease_that_was_given_back_while_the_host_was_away_is_not_renewed_afterwards(kept: Kept) -> None:
    kept.run.lease("a", DEADLINE_S)
    kept.hosts["a"].connect_error = UnreachableError("a: no route to host")
    kept.pass_time(100)
    kept.run.give_back(["a"])
    kept.hosts["a"].connect_error = None

    kept.pass_time(100)

    assert kept.lease("a") is None


def test_own_work_begins_on_a_new_connection_after_a_renewal_that_failed(kept: Kept) -> None:
    kept.run.lease("a", DEADLINE_S)
    kept.pass_time(5)
    kept.hosts["a"].kill_helper()  # all channels end
    kept.pass_time(75)

    assert kept.told() == []  # nobody has looked at how it went
    with kept.run.sessions.use("a") as session:
        assert session.helper().status().trial is None


def test_lease_that_another_run_has_taken_is_told_once_and_left_to_it(kept: Kept) -> None:
    kept.run.lease("a", DEADLINE_S)
    kept.hosts["a"].clock.advance(TTL_S * 1000)  # this controller slept
    host = Host("a", "a")
    other = HostSession(host, SimulatedTransport(kept.hosts), lambda arch: HELPER)
    other.take_lease("bob@desk, run r2", 3000)

    kept.pass_time(200)

    held = [event for event in kept.events if event.host == "a"]
    assert [(event.word, event.detail) for event in held] == [
        ("lease lost", "a: the lease is held by bob@desk, run r2 for another 2920 s")
    ]
    assert (kept.lease("a") or ("",))[0] == "bob@desk, run r2"
    with pytest.raises(LeaseHeldError, match="held by bob@desk, run r2"):
        kept.run.lease("a", DEADLINE_S)
    other.drop_lease()
    kept.pass_time(200)
    assert kept.lease("a") is None
    assert len(kept.events) == 1


def test_defect_in_one_renewal_is_named_and_the_others_go_on(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in kept.hosts:
        kept.run.lease(name, DEADLINE_S)
    take = HostSession.take_lease

    def broken(session: HostSession, owner: str, ttl_s: float) -> int:
        if session.host.name == "a":
            raise ZeroDivisionError("division by zero")
        return take(session, owner, ttl_s)

    monkeypatch.setattr(HostSession, "take_lease", broken)
    kept.pass_time(400)

    assert [(event.host, event.word, event.detail) for event in kept.events] == [
        ("a", "lease not renewed", "internal error: ZeroDivisionError('division by zero')")
    ]
    assert kept.lease("b") is not None


def test_nothing_is_renewed_once_the_run_has_ended(kept: Kept) -> None:
    kept.run.lease("a", DEADLINE_S)
    kept.pass_time(70)
    kept.ended.set()
    kept.pass_time(80)
    assert kept.lease("a") is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
def test_the_thread_ends_with_the_run_however_that_ends(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    monkeypatch.setattr(leases, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(leases, "DUE", 0.0)
    renewed = threading.Event()
    take = HostSession.take_lease

    def noted(session: HostSession, owner: str, ttl_s: float) -> int:
        renewed.set()
        return take(session, owner, ttl_s)

    kept.run.lease("a", DEADLINE_S)
    monkeypatch.setattr(HostSession, "take_lease", noted)

    def go_on() -> None:
        with kept_leases(kept.run):
            assert renewed.wait(60)
            raise error

    with pytest.raises(error):
        go_on()

    assert "leases" not in {thread.name for thread in threading.enumerate()}
    assert json.loads(kept.run.journal.path.read_text(encoding="utf-8"))["event"] == "lease"
