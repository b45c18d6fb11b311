# SPDX-License-Identifier: Apache-2.0
"""The one simulated helper: hosts in this process whose helpers keep every rule of the protocol.

Behaviours of policies and faults of hosts come in as values; a transport goes out that passes for a real one.
No thread, no sleep and no real clock: a host's time goes on only while somebody waits for its answer.
"""

from fleetsched.helper.simulated.clock import ManualClock
from fleetsched.helper.simulated.host import SimulatedHost
from fleetsched.helper.simulated.observer import Work
from fleetsched.helper.simulated.scenario import (
    EXIT_BPF,
    EXIT_ERROR,
    EXIT_HOTPLUG,
    EXIT_STALL,
    EXIT_SYSRQ,
    Behaviour,
    Exit,
)
from fleetsched.helper.simulated.transport import SimulatedTransport

__all__ = [
    "EXIT_BPF",
    "EXIT_ERROR",
    "EXIT_HOTPLUG",
    "EXIT_STALL",
    "EXIT_SYSRQ",
    "Behaviour",
    "Exit",
    "ManualClock",
    "SimulatedHost",
    "SimulatedTransport",
    "Work",
]
