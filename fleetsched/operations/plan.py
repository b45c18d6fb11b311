# SPDX-License-Identifier: Apache-2.0
"""`fleetsched plan`: what would change, why, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from fleetsched.model.desired import desired_of
from fleetsched.model.inventory import Host
from fleetsched.model.manifests import Fleet
from fleetsched.model.plan import Observed, Plan, plan_hosts
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.observe import Reach, look_at, reach


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, what the hosts said for it, and the open way to them."""

    plan: Plan
    fleet: Fleet
    observed: Mapping[str, Observed]
    reached: Reach


@contextmanager
def plan(access: FleetAccess, *, limit: str | None = None) -> Iterator[Planned]:
    """Plan the whole fleet, or the hosts that the pattern `limit` selects. Connections stay open inside.

    Raises:
        ProblemsError: the fleet repository has mistakes.
        InputError: the pattern names no host or group.
    """
    fleet = access.fleet
    hosts = select(fleet, limit)
    with reach(hosts, access.transport, access.helper_files, access.forks) as reached:
        observed = look_at(reached)
        yield Planned(make_plan(access, hosts, observed), fleet, observed, reached)


def select(fleet: Fleet, limit: str | None) -> list[Host]:
    """The hosts of the inventory that `limit` selects, all without it."""
    return fleet.inventory.select(limit or "all")


def make_plan(access: FleetAccess, hosts: list[Host], observed: Mapping[str, Observed]) -> Plan:
    """Compare what the revision wants with what the hosts said."""
    chosen = {host.name for host in hosts}
    desired = {name: wish for name, wish in desired_of(access.fleet).items() if name in chosen}
    return Plan(
        revision=access.revision.label,
        hosts=plan_hosts(desired, observed),
        not_approved=access.revision.objections,
    )
