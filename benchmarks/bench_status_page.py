# SPDX-License-Identifier: Apache-2.0
"""How long the status page takes to answer over a fleet of 5,000 simulated hosts: median of 15, each view.

Over HTTP on loopback, from a real server. Ends with 1 when a view takes 300 ms or more.
"""

from __future__ import annotations

import statistics
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from fleetsched.errors import ExitCode, UnreachableError
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.assignment import Assignment
from fleetsched.model.cycle import Cycle, Event, Kind
from fleetsched.model.fleet import Fleet
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Claim, Desired, Plan, plan_hosts
from fleetsched.operations.observe import Reach, look_at
from fleetsched.reconcile.board import Board, dossiers_of
from fleetsched.reconcile.metrics import Metrics
from fleetsched.reconcile.server import Server, Site
from fleetsched.rollout.run import HostEvent
from fleetsched.rollout.session import HelperFiles, HostSession
from fleetsched.shipped import shipped_root

HOSTS, GROUPS, RUNS, LIMIT_MS = 5000, 20, 15, 300.0
OLD = Assignment.of("fair", "default", "b" * 64, {"slice_us": 3000})
NEW = Assignment.of("interactive", "default", "a" * 64, {"slice_us": 3000})
REVISION = "c" * 40


def group_of(number: int) -> str:
    """The first group has half of all hosts."""
    return "group-0" if number % 2 else f"group-{number % GROUPS}"


def simulated(number: int) -> SimulatedHost:
    """Most hosts run what is wanted; some drifted, fell behind, or do not answer."""
    host = SimulatedHost(f"host-{number:04}")
    if number % 97 == 0:
        host.connect_error = UnreachableError(f"{host.name}: no answer")
    runs = OLD if number % 11 == 0 else NEW
    host.disk.last_known_good = {
        "assignment": runs.to_wire(),
        "run": "run-0",
        "revision": REVISION,
        "confirmed_at": "2026-01-02T03:04:05Z",
        "kernel_release": host.kernel_release,
        "cpus": host.cpus,
    }
    if number % 13:
        host.attach(runs)
    if number % 500 == 3:
        host.hold(NEW, "failed before", None)
    return host


def cycle() -> Cycle:
    """What one look at all hosts gives."""
    hosts = [simulated(number) for number in range(HOSTS)]
    transport = SimulatedTransport({host.name: host for host in hosts})
    sessions = {
        host.name: HostSession(Host(host.name, host.name), transport, lambda arch: HelperFiles(b"", b""))
        for host in hosts
    }
    desired = {
        host.name: Desired(
            Claim.GOAL, f"goal-{group_of(number)}", group_of(number), NEW, heal=bool(number % 3)
        )
        for number, host in enumerate(hosts)
    }
    with ThreadPoolExecutor(16) as executor:
        observed = look_at(Reach(sessions, executor, executor))
    plan = Plan(REVISION, plan_hosts(desired, observed))
    return Cycle(
        "2026-01-02T03:04:05Z",
        1.0,
        ExitCode.OK,
        "a benchmark",
        REVISION,
        fleet=Fleet(shipped_root()),
        plan=plan,
        observed=observed,
    )


def milliseconds(url: str) -> float:
    """The median time of an answer."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        with urllib.request.urlopen(url, timeout=60) as answer:
            answer.read()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def main() -> int:
    """Measure and print."""
    made = cycle()
    names = [plan.host for plan in made.plan.hosts] if made.plan else []
    events = [
        Event(
            "2026-01-02T03:04:05Z",
            Kind.APPLIED,
            REVISION,
            "goal-group-0",
            f"event {number}",
            tuple(names[:5]),
        )
        for number in range(500)
    ]
    board, metrics = Board(60, events, lambda: dossiers_of(shipped_root())), Metrics()
    start = time.perf_counter()
    for watcher in (board, metrics):
        watcher.ended(made, "a subject", [])
    print(f"{(time.perf_counter() - start) * 1000:6.0f} ms  once a cycle, to put it together")
    for name in names[:1000]:
        board.progress(HostEvent(name, "baking", "3 of 15 s, healthy"))
    views = ["/", "/groups/group-0", "/groups/group-0?page=20", f"/hosts/{names[1]}", "/rollouts", "/drift"]
    views += ["/held", "/history", "/policies", "/policies/interactive", "/metrics"]
    slow = False
    with Server(Site(board, metrics, lambda: None, ""), "127.0.0.1:0") as server:
        for view in views:
            median = milliseconds(f"http://127.0.0.1:{server.port}{view}")
            slow = slow or median >= LIMIT_MS
            print(f"{median:6.0f} ms  {view}")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
