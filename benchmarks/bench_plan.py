# SPDX-License-Identifier: Apache-2.0
"""How planning grows with the fleet: simulated hosts, so only the controller's own work is measured.

Prints seconds for 100 and 1,000 hosts, measured in turn five times, and the ratio of the medians: 10 is
linear.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.assignment import Assignment
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Claim, Desired, plan_hosts
from fleetsched.operations.observe import Reach, look_at
from fleetsched.rollout.session import HelperFiles, HostSession

WANTED = Desired(Claim.GOAL, "goal", "group", Assignment.of("fair", "default", "a" * 64, {"slice_us": 3000}))


def seconds(count: int) -> float:
    """Plan once over `count` hosts that are all new."""
    names = [f"host-{number}" for number in range(count)]
    transport = SimulatedTransport({name: SimulatedHost(name) for name in names})
    sessions = {
        name: HostSession(Host(name, name), transport, lambda arch: HelperFiles(b"", b"")) for name in names
    }
    with ThreadPoolExecutor(64) as executor:
        started = time.perf_counter()
        plans = plan_hosts(dict.fromkeys(names, WANTED), look_at(Reach(sessions, executor, executor)))
        elapsed = time.perf_counter() - started
    assert len(plans) == count
    return elapsed


def main() -> None:
    """Measure and print."""
    runs = [(seconds(100), seconds(1000)) for _ in range(5)]
    small, large = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"plan over 100 hosts {small:.3f} s, over 1,000 hosts {large:.3f} s, ratio {large / small:.1f}")


if __name__ == "__main__":
    main()
