# SPDX-License-Identifier: Apache-2.0
"""Workload profiles: taken of hosts that were reached, written to a file, read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from fleetsched.documents.check import check
from fleetsched.documents.reader import Limits
from fleetsched.errors import HostError, InputError, ProblemsError
from fleetsched.inventory.json_nodes import read_json
from fleetsched.model.plan import Observed
from fleetsched.model.profile import MOST_HOSTS, MOST_KEYS, HostProfile, Profile
from fleetsched.model.state import Facts, Sample
from fleetsched.model.timestamp import rfc3339
from fleetsched.operations.files import write_whole
from fleetsched.operations.observe import Reach
from fleetsched.rollout.session import HostSession

SECONDS = 5.0
"""For how long hosts count when nobody says."""

_LEAST_S = 0.1  # what a watch takes


def take_profile(reached: Reach, looks: Mapping[str, Observed], *, seconds: float = SECONDS) -> Profile:
    """Let the hosts that answered count at the same time. What one of them cannot do is its own `error`.

    Nothing is changed on a host and no lease is needed.

    Args:
        reached: the open way to the hosts.
        looks: what they said; those without facts are left out.
        seconds: for how long each counts, 0.1 to 60.
    """
    facts = {name: look.facts for name, look in looks.items() if look.facts is not None}
    chosen = [name for name in reached.sessions if name in facts][:MOST_HOSTS]
    each = partial(_observe, seconds=seconds)
    sessions = [reached.sessions[name] for name in chosen]
    seen = reached.executor.map(each, sessions, [facts[name] for name in chosen])
    return Profile.of(seen, seconds=seconds, taken_at=rfc3339(datetime.now(UTC)))


def _observe(session: HostSession, facts: Facts, *, seconds: float) -> HostProfile:
    name = session.host.name
    try:
        observation = session.helper().observe(for_s=seconds, top=MOST_KEYS)
        pressure = _pressure(session) if facts.pressure else None
    except HostError as error:
        return HostProfile.of(name, facts, None, error=error.message)
    return HostProfile.of(name, facts, observation, cpu_some_avg10=pressure)


def _pressure(session: HostSession) -> float | None:
    """PSI right after the period, which its ten seconds lie around."""
    items = [*session.helper().watch(interval_s=_LEAST_S, for_s=_LEAST_S, pressure=True)]
    samples = [item for item in items if isinstance(item, Sample)]
    return samples[0].cpu_some_avg10 if samples else None


def write_profile(file: Path, profile: Profile) -> None:
    """Write a profile.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(file, (json.dumps(profile.to_wire(), indent=1) + "\n").encode())


def read_profile(file: Path) -> Profile:
    """Read a profile.

    Raises:
        InputError: it cannot be read.
        ProblemsError: it is no profile; every mistake in it.
    """
    limits = Limits()
    try:
        with file.open("rb") as stream:
            data = stream.read(limits.bytes + 1)
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror or error}",
            remedy="`fleetsched observe --profile FILE` writes one",
        ) from error
    reading = read_json(data, str(file), limits=limits)
    problems = list(reading.problems)
    for document in reading.documents:
        problems += reading.unnamed(check(document, "profile"))
    if problems or not reading.documents:
        raise ProblemsError(problems)
    return Profile.from_wire(reading.documents[0].value)
