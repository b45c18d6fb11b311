# SPDX-License-Identifier: Apache-2.0
"""`status --snapshot` and `plan --state`: what hosts said, in a file that can be planned from later.

It holds names, facts and assignments, no addresses, users or keys: a pull request may be planned from it
where no host can be reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from fleetsched.errors import InputError
from fleetsched.fleetrepo.revision import Revision
from fleetsched.model.desired import desired_of
from fleetsched.model.fleet import Fleet
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Observed, Plan, plan_hosts
from fleetsched.operations.files import read_bounded, write_whole
from fleetsched.secrets import redact_values

FORMAT = "fleetsched-state"
VERSION = 1
_MOST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What all hosts said at one moment.

    Attributes:
        taken_at: RFC 3339 time, UTC.
        hosts: by name.
    """

    format: str
    version: int
    taken_at: str
    hosts: dict[str, Observed]

    def age_s(self, now: datetime) -> float:
        """Seconds since it was taken."""
        return (now - datetime.fromisoformat(self.taken_at)).total_seconds()


def write_snapshot(file: Path, observed: Mapping[str, Observed]) -> None:
    """Write what hosts said; the file appears whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    import msgspec

    taken_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}"
    hosts = {name: _without_addresses(seen) for name, seen in observed.items()}
    plain = msgspec.to_builtins(Snapshot(FORMAT, VERSION, taken_at, hosts))
    text = msgspec.json.encode(redact_values(plain))
    write_whole(file, msgspec.json.format(text, indent=1) + b"\n")


def _without_addresses(seen: Observed) -> Observed:
    """Errors name addresses, and a lease names its owner's machine."""
    if seen.error:
        return Observed(error="could not be reached when the state was taken")
    status = replace(seen.status, lease=None) if seen.status else None
    return replace(seen, status=status, remedy="")


def read_snapshot(file: Path) -> Snapshot:
    """Read a state file.

    Raises:
        InputError: it cannot be read, or is no state of this version.
    """
    import msgspec

    data = read_bounded(file, _MOST_BYTES)
    try:
        snapshot = msgspec.json.decode(data, type=Snapshot)
        if (snapshot.format, snapshot.version) != (FORMAT, VERSION):
            raise InputError(f"{file} is no {FORMAT} of version {VERSION}")
        snapshot.age_s(datetime.now(UTC))
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise InputError(
            f"{file} is no state of hosts: {error}", remedy="`fleetsched status --snapshot FILE` writes one"
        ) from error
    return snapshot


def plan_snapshot(fleet: Fleet, revision: Revision, snapshot: Snapshot, hosts: list[Host]) -> Plan:
    """Plan `hosts` from what they said when the state was taken; no host is asked."""
    missing = Observed(
        error="is not in the state file", remedy="take a new one: fleetsched status --snapshot"
    )
    chosen = {host.name for host in hosts}
    desired = {name: wish for name, wish in desired_of(fleet).items() if name in chosen}
    observed = {name: snapshot.hosts.get(name, missing) for name in desired}
    return Plan(revision.label, plan_hosts(desired, observed), revision.objections)
