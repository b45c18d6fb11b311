# SPDX-License-Identifier: Apache-2.0
"""Two real reconcilers of one fleet: one acts, the other waits, and takes over when the first is killed."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from fleetsched.helper.simulated import Behaviour
from fleetsched.model.assignment import Assignment
from tests.unit.reconcile.fleet import NAMES, ReconciledFleet, pass_time
from tests.unit.reconcile.served import ServedHosts
from tests.unit.reconcile.test_killed import (
    PROJECT,
    TO_INTERACTIVE,
    assignment,
    end_state,
    kill_at,
    verb_of,
)

pytestmark = pytest.mark.served

CONFIG = "trust: {{remote: {remote}}}\nreconcile: {{interval: 1s, listen: '127.0.0.1:0'}}\n"
LIMIT_S = 600.0
LEASE_S = 160  # the trial's deadline, the margin of the lease, and a little


@dataclass
class Reconciler:
    """A running `fleetsched reconcile` with a state folder of its own."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def wait_for(self, pattern: str) -> str:
        """Read what it says until a line fits; it goes on for ever, and the wait for it does not."""
        assert self.process.stderr
        limit = threading.Timer(LIMIT_S, self.process.kill)
        limit.start()
        try:
            for line in self.process.stderr:
                self.said.append(line)
                if re.search(pattern, line):
                    return line
        finally:
            limit.cancel()
        raise AssertionError(f"{pattern!r} is not in {self.said}")


@dataclass
class Gate:
    """Holds back what a host is sent, once: a verb, for the n-th time. It never reaches the host."""

    host: str
    verb: str
    left: int
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def seen(self, host: str, data: bytes) -> None:
        if self.reached.is_set() or (host, verb_of(data)) != (self.host, self.verb):
            return
        self.left -= 1
        if self.left == 0:
            self.reached.set()
            self.opened.wait()
            raise ConnectionError("whoever sent this was killed")


@contextmanager
def reconcilers(fleet: ReconciledFleet, gate: Gate) -> Iterator[Callable[[str], Reconciler]]:
    config = fleet.home / "config.yaml"
    config.write_text(CONFIG.format(remote=fleet.remote), encoding="utf-8")
    socket = fleet.home / "hosts"
    served = ServedHosts(socket, fleet.hosts, gate.seen)
    command = [sys.executable, "-m", "tests.unit.reconcile.served", str(socket), "reconcile"]
    started: list[Reconciler] = []

    def start(name: str) -> Reconciler:
        process = subprocess.Popen(
            [*command, "--config", str(config), "--state-folder", str(fleet.home / name)],
            cwd=PROJECT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(Reconciler(process))
        return started[-1]

    try:
        yield start
    finally:
        gate.opened.set()
        for each in started:
            each.process.kill()
            each.process.communicate()
        served.close()


MOMENTS = [("lab-1", "watch", 2), ("lab-2", "try", 1), ("lab-3", "confirm", 1)]


@pytest.mark.parametrize(("host", "verb", "count"), MOMENTS)
def test_the_other_waits_and_takes_over_when_the_acting_one_is_killed(
    fleet: ReconciledFleet, host: str, verb: str, count: int
) -> None:
    fleet.loop().once()
    fleet.commit(TO_INTERACTIVE)
    gate = Gate(host, verb, count)
    with reconcilers(fleet, gate) as start:
        acting = start("acting")
        assert gate.reached.wait(LIMIT_S)
        waiting = start("waiting")
        waits = waiting.wait_for("waits: ")
        assert re.search(rf"waits: lab-\d is held by \S+ \(pid {acting.process.pid}\), run \S+$", waits)
        before = fleet.trials()

        acting.kill()
        gate.opened.set()
        assert fleet.trials() == before
        pass_time(fleet, LEASE_S)
        waiting.wait_for("applied: goal lab-fairness: interactive@")

        new = assignment(fleet, "interactive")
        assert end_state(fleet) == dict.fromkeys(NAMES, (new, new, []))
        assert confirmed(fleet, new) == dict.fromkeys(NAMES, 1)

        start("acting").wait_for("nothing to do: 3 none")
        assert confirmed(fleet, new) == dict.fromkeys(NAMES, 1)


def test_a_rollback_is_finished_by_the_one_that_began_it_and_the_other_tries_nothing(
    fleet: ReconciledFleet,
) -> None:
    fleet.loop().once()
    fleet.hosts["lab-2"].behaviours = {"interactive": Behaviour(ejected_after_ms=6000)}
    fleet.commit(TO_INTERACTIVE)
    gate = Gate("lab-1", "try", 2)
    with reconcilers(fleet, gate) as start:
        acting = start("acting")
        assert gate.reached.wait(LIMIT_S)
        acting.kill()
        gate.opened.set()
        before = fleet.trials()

        start("other").wait_for("nothing to do: .*held")
        assert fleet.trials() == before

        start("acting").wait_for("nothing to do: 3 held")
    old, new = assignment(fleet, "fair"), assignment(fleet, "interactive")
    after = end_state(fleet)
    assert {name: state[:2] for name, state in after.items()} == dict.fromkeys(NAMES, (old, old))
    assert (after["lab-1"][2], after["lab-2"][2]) == ([new], [new])


def test_what_no_living_one_has_seen_stays_held(fleet: ReconciledFleet) -> None:
    fleet.loop().once()
    fleet.commit(TO_INTERACTIVE)

    kill_at(fleet, "lab-1", "watch", 2)
    pass_time(fleet, LEASE_S)

    assert fleet.loop("other").once().words == "nothing to do: 3 held"


def confirmed(fleet: ReconciledFleet, wanted: str) -> dict[str, int]:
    """How often each host was brought to an assignment for good."""
    found = {}
    for name, host in fleet.hosts.items():
        named = [each["assignment"] for each in host.disk.history if each["event"] == "confirm"]
        found[name] = [str(Assignment.from_wire(each)) for each in named].count(wanted)
    return found
