# SPDX-License-Identifier: Apache-2.0
"""`fleetsched status`: what every host says about itself, now."""

from __future__ import annotations

from fleetsched.model.plan import Observed
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.observe import look_at, reach
from fleetsched.operations.plan import EVERY_HOST, Selection, select


def status(access: FleetAccess, only: Selection = EVERY_HOST) -> dict[str, Observed]:
    """Ask the selected hosts, in inventory order.

    Raises:
        InputError: the pattern names no host or group.
    """
    hosts = select(access.fleet, only)
    with reach(hosts, access.transport, access.helper_files, access.forks) as reached:
        return look_at(reached)
