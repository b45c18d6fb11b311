# SPDX-License-Identifier: Apache-2.0
"""`fleetsched plan`: what would change, why, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fleetsched.errors import InputError
from fleetsched.model.desired import desired_of
from fleetsched.model.fleet import Fleet
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Desired, Observed, Plan, plan_hosts
from fleetsched.model.signed import refuse_unsigned
from fleetsched.model.state import Held
from fleetsched.model.suggest import suggestion
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.observe import Reach, look_at, reach
from fleetsched.rollout.signatures import GIVE_ONE, Wish


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, what the hosts said for it, and the open way to them."""

    plan: Plan
    fleet: Fleet
    observed: Mapping[str, Observed]
    reached: Reach


@dataclass(frozen=True, slots=True)
class Selection:
    """Which hosts a command is about; the default is all.

    Attributes:
        limit, exclude: Ansible patterns over the inventory.
        group: name of a HostGroup.
    """

    limit: str | None = None
    exclude: str | None = None
    group: str | None = None


EVERY_HOST = Selection()


@contextmanager
def plan(access: FleetAccess, only: Selection = EVERY_HOST) -> Iterator[Planned]:
    """Plan the selected hosts. Connections stay open inside.

    Raises:
        ProblemsError: the fleet repository has mistakes.
        InputError: a pattern names no host or group, or there is no such HostGroup.
    """
    with plan_these(access, select(access.fleet, only)) as planned:
        yield planned


@contextmanager
def plan_these(access: FleetAccess, hosts: list[Host]) -> Iterator[Planned]:
    """Plan these hosts. Connections stay open inside."""
    with reach(hosts, access.transport, access.helper_files, access.forks) as reached:
        observed = look_at(reached)
        yield Planned(make_plan(access, hosts, observed), access.fleet, observed, reached)


def select(fleet: Fleet, only: Selection) -> list[Host]:
    """The hosts of the inventory that are selected, in its order.

    Raises:
        InputError: a pattern names no host or group, or there is no such HostGroup.
    """
    if only.group is not None and only.group not in fleet.groups:
        near = suggestion(only.group, fleet.groups)
        raise InputError(f'no HostGroup "{only.group}"{near}', remedy="`--limit` takes inventory groups")
    grouped = {host.name for host in fleet.hosts(only.group)} if only.group else fleet.inventory.hosts.keys()
    left_out = {host.name for host in fleet.inventory.select(only.exclude)} if only.exclude else set()
    chosen = fleet.inventory.select(only.limit or "all")
    return [host for host in chosen if host.name in grouped and host.name not in left_out]


def make_plan(
    access: FleetAccess,
    hosts: list[Host],
    observed: Mapping[str, Observed],
    remembered: Mapping[str, Sequence[Held]] | None = None,
) -> Plan:
    """Compare what the revision wants with what the hosts said, and with what can be signed for them.

    `remembered` is as for `plan_hosts`.
    """
    chosen = {host.name for host in hosts}
    desired = {name: wish for name, wish in desired_of(access.fleet).items() if name in chosen}
    plans = plan_hosts(desired, observed, remembered)

    def missing(wanted: Desired) -> str:
        assert wanted.assignment, "nothing else is asked for"
        wish = Wish(wanted.group or "", wanted.assignment, access.revision.label, wanted.program)
        return access.signatures.missing(wish)

    return Plan(
        revision=access.revision.label,
        hosts=refuse_unsigned(plans, observed, missing, GIVE_ONE),
        not_approved=access.revision.objections,
    )
