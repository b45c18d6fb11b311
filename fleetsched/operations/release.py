# SPDX-License-Identifier: Apache-2.0
"""`fleetsched release`: let a host go, so that it is managed no longer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fleetsched.errors import HostError, InputError, RefusedError
from fleetsched.model.desired import desired_of
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Claim, Desired, HostPlan, Plan, plan_host
from fleetsched.model.run import Applied
from fleetsched.model.strategy import BUILT_IN_STRATEGY
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.observe import look_at, reach
from fleetsched.operations.plan import Planned
from fleetsched.operations.running import new_run, results, under_way
from fleetsched.rollout.engine import roll_out
from fleetsched.rollout.run import HostEvent

_DESTINATION = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][\w.-]*)@)?(?P<name>[A-Za-z0-9][\w.-]*)(?::(?P<port>\d{1,5}))?"
)


@dataclass(frozen=True, slots=True)
class Release:
    """What a release would do: the host's plan, in a `Planned` of this host alone."""

    host: HostPlan
    planned: Planned


def host_to_release(access: FleetAccess, name: str) -> Host:
    """Find the host: one of the inventory, or `[user@]name[:port]` for one that is gone from it.

    Raises:
        RefusedError: a goal claims it.
        InputError: it is neither.
    """
    if name in access.fleet.inventory.hosts:
        wish = desired_of(access.fleet)[name]
        if wish.claim is Claim.GOAL:
            raise RefusedError(
                f"goal {wish.goal} claims {name}, and the next apply would take it back",
                remedy=f"take the host out of group {wish.group} or out of the inventory first",
            )
        return access.fleet.inventory.hosts[name]
    return destination(name)


def destination(text: str) -> Host:
    """Read `[user@]name[:port]`.

    Raises:
        InputError: it is something else.
    """
    match = _DESTINATION.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is no host: expected a name of the inventory, or [user@]name[:port]")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise InputError(f"{text!r} is no host: there is no port {port}")
    return Host(match["name"], match["name"], port=port, user=match["user"])


@contextmanager
def plan_release(access: FleetAccess, name: str) -> Iterator[Release]:
    """Look at the host and say what letting it go does. The connection stays open inside.

    Raises:
        RefusedError, InputError: as `host_to_release`.
        HostError: the host cannot be asked.
    """
    host = host_to_release(access, name)
    with reach([host], access.transport, access.helper_files, 1) as reached:
        seen = look_at(reached)[host.name]
        if seen.error:
            raise HostError(seen.error, remedy=seen.remedy)
        wish = Desired(Claim.PRUNED)
        found = replace(plan_host(host.name, wish, seen), reason="released by hand")
        plan = Plan(access.revision.label, (found,), access.revision.objections)
        yield Release(found, Planned(plan, access.fleet, {host.name: seen}, reached))


def release(
    access: FleetAccess, planned: Release, *, journals: Path, report: Callable[[HostEvent], None]
) -> Applied:
    """Give the host back to the kernel's own scheduler and forget its last known good.

    Raises:
        LeaseHeldError: another run holds the host.
    """
    host = planned.host
    run = new_run(access, planned.planned.reached, {}, journals, report)
    lease = (host.host, BUILT_IN_STRATEGY.trial_deadline_s)
    with under_way(run, "release", [lease], host=host.host):
        outcome = roll_out(run, {host.host: host}, BUILT_IN_STRATEGY)
        run.journal.write("end", exit_code=int(outcome.exit_code))
    return Applied(run.id, outcome.exit_code, tuple(results(None, outcome)), run.journal.path)
