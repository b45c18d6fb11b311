# SPDX-License-Identifier: Apache-2.0
"""`plan --out FILE` and `apply FILE`: a plan that was looked at, carried out only while it still holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fleetsched.errors import InputError, RefusedError
from fleetsched.model.assignment import Assignment
from fleetsched.model.inventory import Host, Inventory
from fleetsched.model.plan import HostPlan, Observed, Plan
from fleetsched.model.wording import listed
from fleetsched.operations.files import read_bounded, write_whole
from fleetsched.operations.fleet import FleetAccess

FORMAT = "fleetsched-saved-plan"
VERSION = 1
_MOST_BYTES = 256 << 20
_MOST_NAMED = 3
_AGAIN = "make a new one with `fleetsched plan --out FILE`, and look at it"


@dataclass(frozen=True, slots=True)
class SavedHost:
    """What a plan says of one host, and what it was decided from.

    Attributes:
        action: `install-helper, attach`, `none`, ...
        desired, recorded, running: None = the kernel's own scheduler, or nothing.
        recorded_by: the run that confirmed what is recorded.
        foreign, trial, kernel: a scheduler that is not ours, a trial's run, the kernel's release, or empty.
        held: what is not tried again there.
    """

    action: str
    desired: Assignment | None
    recorded: Assignment | None
    recorded_by: str
    running: Assignment | None
    foreign: str
    trial: str
    kernel: str
    held: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan's file.

    Attributes:
        made_at: RFC 3339 time, UTC.
        inventory: SHA-256 over the hosts, how they are reached, and their groups.
        hosts: by name, those of the plan and no other.
    """

    format: str
    version: int
    made_at: str
    revision: str
    inventory: str
    hosts: dict[str, SavedHost]


def save_plan(file: Path, plan: Plan, observed: Mapping[str, Observed], inventory: Inventory) -> None:
    """Write a plan with what it was decided from.

    Raises:
        RefusedError: it is of files that no commit has, so nobody could tell later whether they changed.
        OSError: it cannot be written.
    """
    import msgspec

    if "+" in plan.revision or plan.revision == "none":
        raise RefusedError(
            "a plan of files that are not committed cannot be saved", remedy="commit them, then plan again"
        )
    hosts = {host.host: _saved(host, observed[host.host]) for host in plan.hosts}
    made_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}"
    saved = SavedPlan(FORMAT, VERSION, made_at, plan.revision, inventory_digest(inventory), hosts)
    write_whole(file, msgspec.json.format(msgspec.json.encode(saved), indent=1) + b"\n")


def _saved(host: HostPlan, seen: Observed) -> SavedHost:
    status = seen.status
    record = status.last_known_good if status else None
    return SavedHost(
        action=host.words,
        desired=host.desired.assignment,
        recorded=record.assignment if record else None,
        recorded_by=record.run if record else "",
        running=status.running.assignment if status and status.running else None,
        foreign=(status.foreign or "") if status else "",
        trial=status.trial.run if status and status.trial else "",
        kernel=seen.facts.kernel_release if seen.facts else seen.kernel_release,
        held=tuple(held.assignment for held in status.held) if status else (),
    )


def read_plan(file: Path) -> SavedPlan:
    """Read a plan's file.

    Raises:
        InputError: it cannot be read, or is no plan of this version.
    """
    import msgspec

    data = read_bounded(file, _MOST_BYTES)
    try:
        saved = msgspec.json.decode(data, type=SavedPlan)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InputError(
            f"{file} is no saved plan: {error}", remedy="`fleetsched plan --out FILE` writes one"
        ) from error
    if (saved.format, saved.version) != (FORMAT, VERSION):
        raise InputError(f"{file} is no {FORMAT} of version {VERSION}", remedy=_AGAIN)
    return saved


def planned_hosts(saved: SavedPlan, access: FleetAccess) -> list[Host]:
    """The hosts of a saved plan. No host is asked.

    Raises:
        RefusedError: the revision or the inventory has moved on.
    """
    if saved.revision != access.revision.label:
        raise _stale(f"it is of revision {saved.revision[:12]}, and here is {access.revision.label[:12]}")
    inventory = access.fleet.inventory
    if saved.inventory != inventory_digest(inventory) or not saved.hosts.keys() <= inventory.hosts.keys():
        raise _stale("the inventory has changed")
    return [host for name, host in inventory.hosts.items() if name in saved.hosts]


def refuse_moved(saved: SavedPlan, plan: Plan, observed: Mapping[str, Observed]) -> None:
    """Compare a saved plan with one made now.

    Raises:
        RefusedError: a host's state has moved on.
    """
    moved = list(_moved(saved, plan, observed))
    if moved:
        raise _stale(listed(moved, _MOST_NAMED, "; "))


def _moved(saved: SavedPlan, plan: Plan, observed: Mapping[str, Observed]) -> Iterator[str]:
    for host in plan.hosts:
        before, now = saved.hosts[host.host], _saved(host, observed[host.host])
        if before != now:
            changed = [name for name in SavedHost.__slots__ if getattr(before, name) != getattr(now, name)]
            words = ", ".join(_changed(name, getattr(before, name), getattr(now, name)) for name in changed)
            yield f"{host.host}: {words}"


def _changed(name: str, before: object, now: object) -> str:
    name = name.replace("_", " ")
    if isinstance(before, tuple) or str(before) == str(now):
        return f"{name} has changed"
    return f"{name} {before or 'nothing'} -> {now or 'nothing'}"


def _stale(why: str) -> RefusedError:
    return RefusedError(f"refused: the saved plan no longer holds: {why}", remedy=_AGAIN)


def inventory_digest(inventory: Inventory) -> str:
    """SHA-256 over what a run takes from the inventory: hosts in order, how they are reached, and groups.

    Other variables are left out: programs put times and counters there, and no run reads them.
    """
    hosts = [
        (
            *(host.name, host.address, host.port, host.user, host.key_file, host.become, host.connection),
            sorted(host.ssh_options.items()),
            host.groups,
        )
        for host in inventory.hosts.values()
    ]
    groups = sorted((name, members) for name, members in inventory.groups.items())
    return hashlib.sha256(json.dumps([hosts, groups]).encode()).hexdigest()
