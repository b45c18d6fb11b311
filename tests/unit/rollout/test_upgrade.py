# SPDX-License-Identifier: Apache-2.0
"""Waiting for the end of a helper's upgrade, whatever becomes of the connection meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleetsched.errors import HelperError, UnreachableError
from fleetsched.helper.client import HelperClient
from fleetsched.helper.session import open_helper
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Action, Claim, Desired, HostPlan
from fleetsched.model.rollout import Phase
from fleetsched.rollout.bake import Ended
from fleetsched.rollout.journal import Journal
from fleetsched.rollout.run import HostEvent, Run
from fleetsched.rollout.session import HelperFiles, HostSession, Sessions
from fleetsched.rollout.upgrade import upgrade_helper

BINARY = b"\x7fELF\x02\x01\x01" + bytes(11) + (62).to_bytes(2, "little") + b"new"
DIGEST = hashlib.sha256(BINARY).hexdigest()
PLAN = HostPlan("web-1", Desired(Claim.GOAL), Action.NONE)


class Interrupted(HostSession):
    """A session whose way to the helper fails a few times after the upgrade was begun."""

    def __init__(self, host: SimulatedHost, *failures: Exception, meanwhile: Callable[[], None]) -> None:
        transport = SimulatedTransport({host.name: host})
        super().__init__(Host(host.name, host.name), transport, lambda arch: HelperFiles(BINARY, b""))
        self._failures = [*failures]
        self._meanwhile = meanwhile

    def reopen(self) -> HelperClient:
        self._meanwhile()
        if self._failures:
            raise self._failures.pop(0)
        return super().reopen()


def upgraded(
    tmp_path: Path, host: SimulatedHost, *failures: Exception, meanwhile: Callable[[], None] = lambda: None
) -> tuple[Ended, list[float], list[HostEvent]]:
    pauses: list[float] = []
    events: list[HostEvent] = []
    with ThreadPoolExecutor() as executor, Journal(tmp_path / "run.jsonl", lambda: "now") as journal:
        sessions = {host.name: Interrupted(host, *failures, meanwhile=meanwhile)}
        run = Run("r1", "anna", "c1", Sessions(sessions), {}, executor, executor, journal, events.append)
        ended = upgrade_helper(
            run, sessions[host.name], PLAN, "0.2.0", lambda binary: "", pause=pauses.append
        )
    return ended, pauses, events


def test_nobody_answers_between_two_helpers(tmp_path: Path) -> None:
    host = SimulatedHost("web-1")
    gone = HelperError("web-1: the helper's service does not answer", code="no-service")
    lost = UnreachableError("web-1: the connection ended before the answer to `hello`")
    ended, pauses, events = upgraded(tmp_path, host, gone, lost)
    assert ended == Ended(
        Phase.CONFIRMED, f"helper 0.2.0 ({DIGEST[:8]}), runs the kernel's scheduler as before"
    )
    assert pauses == [1.0, 1.0]
    assert [(event.word, event.detail) for event in events] == [
        ("sending", f"helper 0.2.0, {DIGEST[:8]}, {len(BINARY)} bytes"),
        ("proving", "the host keeps it only when it answers and runs what ran before"),
    ]


def test_a_host_that_stays_away_is_unreachable(tmp_path: Path) -> None:
    lost = [UnreachableError("web-1: no route to host")] * 200
    with pytest.raises(UnreachableError) as caught:
        upgraded(tmp_path, SimulatedHost("web-1"), *lost)
    assert str(caught.value) == (
        "web-1: no route to host\n"
        "  look at `journalctl -u fleetsched-host` there; the helper before comes back by itself"
    )


def test_another_helper_than_was_sent_is_an_error(tmp_path: Path) -> None:
    host = SimulatedHost("web-1")

    def install_by_hand() -> None:
        host.helper_files = ("f" * 64, "")

    with pytest.raises(HelperError) as caught:
        upgraded(tmp_path, host, meanwhile=install_by_hand)
    assert str(caught.value) == (
        "web-1: another helper answers than was sent: 0.2.0, ffffffff\n"
        "  does somebody else install helpers on this host?"
    )


def test_the_helper_that_runs_already_is_left_alone(tmp_path: Path) -> None:
    host = SimulatedHost("web-1", helper_files=(DIGEST, ""), version="0.2.0")
    ended, _, _ = upgraded(tmp_path, host)
    assert ended == Ended(Phase.CONFIRMED, f"runs helper 0.2.0 ({DIGEST[:8]}) already")
    client = open_helper(SimulatedTransport({"web-1": host}).connect(Host("web-1", "web-1")), "web-1")
    assert isinstance(client, HelperClient)
    assert [entry.event for entry in client.history()] == ["service-start"]
