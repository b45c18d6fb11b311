# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of the real command at known moments: started again, it ends where it would have ended."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fleetsched.errors import ExitCode
from fleetsched.fleetrepo.load import load_lock
from fleetsched.helper.simulated import Behaviour
from fleetsched.helper.simulated.verbs import status
from fleetsched.model.assignment import Assignment
from tests.unit.reconcile.fleet import NAMES, ReconciledFleet, pass_time
from tests.unit.reconcile.served import ServedHosts

pytestmark = pytest.mark.served

PROJECT = Path(__file__).resolve().parents[3]
AT_ONCE, AFTER_TRIALS = 0, 600  # seconds until it is started again

# When which host is sent which verb for the how-manieth time since the new revision is known.
GOOD = [
    ("lab-1", "hello", 1, AT_ONCE),
    ("lab-2", "lease", 1, AT_ONCE),
    ("lab-1", "stage", 1, AFTER_TRIALS),
    ("lab-1", "try", 1, AT_ONCE),
    ("lab-1", "watch", 2, AT_ONCE),
    ("lab-1", "watch", 2, AFTER_TRIALS),
    ("lab-1", "confirm", 1, AFTER_TRIALS),
    ("lab-2", "try", 1, AFTER_TRIALS),
    ("lab-3", "confirm", 1, AT_ONCE),
    ("lab-3", "release", 1, AT_ONCE),
]
BAD = [  # lab-2 ejects it
    ("lab-2", "watch", 1, AFTER_TRIALS),
    ("lab-1", "try", 2, AT_ONCE),
    ("lab-1", "watch", 4, AFTER_TRIALS),
]


TO_INTERACTIVE = ("name: fair\n    parameters: {slice_us: 5000}", "name: interactive")


class Killer:
    """Kills a process when a host is sent a verb for the n-th time."""

    def __init__(self, host: str, verb: str, count: int) -> None:
        self._moment = (host, verb)
        self._left = count
        self.lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None
        self.fired = False

    def seen(self, host: str, data: bytes) -> None:
        with self.lock:
            if self.process is None or (host, verb_of(data)) != self._moment:
                return
            self._left -= 1
            if self._left == 0:
                self.fired = True
                self.process.kill()
                self.process.wait()


def verb_of(data: bytes) -> str:
    try:
        return str(json.loads(data)["verb"])
    except (ValueError, KeyError):
        return ""  # bytes of an object


def kill_at(fleet: ReconciledFleet, host: str, verb: str, count: int) -> None:
    """Run `fleetsched reconcile --once` in a process of its own and kill it then."""
    config = fleet.home / "config.yaml"
    config.write_text(f"trust: {{remote: {fleet.remote}}}\n", encoding="utf-8")
    killer = Killer(host, verb, count)
    served = ServedHosts(fleet.home / "hosts", fleet.hosts, killer.seen)
    command = [sys.executable, "-m", "tests.unit.reconcile.served", str(fleet.home / "hosts"), "reconcile"]
    options = ["--once", "--config", str(config), "--state-folder", str(fleet.home / "state")]
    with killer.lock:
        killer.process = subprocess.Popen(
            [*command, *options], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    said, _ = killer.process.communicate(timeout=120)
    served.close()
    assert killer.fired, said


def go_on(fleet: ReconciledFleet, after_s: int) -> None:
    """Start it again, and let cycles pass until nothing is to be done."""
    pass_time(fleet, after_s)
    loop = fleet.loop()
    for _ in range(6):
        cycle = loop.once()
        if cycle.applied is None and cycle.code is ExitCode.OK:
            return
        pass_time(fleet, 130)
    raise AssertionError(f"it never comes to rest: {[each.words for each in fleet.diary.cycles]}")


def assignment(fleet: ReconciledFleet, policy: str) -> str:
    digest = load_lock(fleet.folder / "policies" / policy).variants["default"]
    return f"{policy}@{digest[:8]}"


def end_state(fleet: ReconciledFleet) -> dict[str, tuple[Any, ...]]:
    """What each host runs, has recorded, and holds; whoever killed it, no trial and no lease is for ever."""
    pass_time(fleet, 130)
    found: dict[str, tuple[Any, ...]] = {}
    for name, host in fleet.hosts.items():
        said = status(host)
        assert (said["trial"], said["lease"]) == (None, None), name
        held = sorted({str(Assignment.from_wire(each["assignment"])) for each in said["held"]})
        record = Assignment.from_wire(said["last_known_good"]["assignment"])
        runs = Assignment.from_wire(said["running"]["assignment"])
        found[name] = (str(runs), str(record), held)
    return found


@pytest.mark.parametrize(("host", "verb", "count", "after_s"), GOOD)
def test_killed_in_a_good_rollout(
    fleet: ReconciledFleet, host: str, verb: str, count: int, after_s: int
) -> None:
    fleet.loop().once()
    fleet.commit(TO_INTERACTIVE)

    kill_at(fleet, host, verb, count)
    go_on(fleet, after_s)

    new = assignment(fleet, "interactive")
    assert end_state(fleet) == dict.fromkeys(NAMES, (new, new, []))


@pytest.mark.parametrize(("host", "verb", "count", "after_s"), BAD)
def test_killed_in_a_rollout_that_fails(
    fleet: ReconciledFleet, host: str, verb: str, count: int, after_s: int
) -> None:
    fleet.loop().once()
    fleet.hosts["lab-2"].behaviours = {"interactive": Behaviour(ejected_after_ms=6000)}
    fleet.commit(TO_INTERACTIVE)

    kill_at(fleet, host, verb, count)
    go_on(fleet, after_s)

    old, new = assignment(fleet, "fair"), assignment(fleet, "interactive")
    after = end_state(fleet)
    assert {name: state[:2] for name, state in after.items()} == dict.fromkeys(NAMES, (old, old))
    assert (after["lab-1"][2], after["lab-2"][2]) == ([new], [new])
