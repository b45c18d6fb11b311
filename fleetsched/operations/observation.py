# SPDX-License-Identifier: Apache-2.0
"""`fleetsched observe`: how long tasks wait for a CPU on every host, counted in its kernel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fleetsched.errors import HelperError, HostError
from fleetsched.helper.session import INSTALL_REMEDY
from fleetsched.model.observation import Observation
from fleetsched.model.plan import Observed as Look
from fleetsched.model.profile import MOST_HOSTS, Profile
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.observe import look_at, reach
from fleetsched.operations.plan import EVERY_HOST, Selection, select
from fleetsched.operations.profile import take_profile
from fleetsched.rollout.session import HostSession

_NO_HELPER = frozenset({"no-helper", "no-service"})


@dataclass(frozen=True, slots=True)
class Observed:
    """What one host counted, or why it did not.

    Attributes:
        error: in one line; empty when there is an observation.
        unreachable: the host did not answer, or has no helper that runs; else it refused.
    """

    observation: Observation | None = None
    error: str = ""
    remedy: str = ""
    unreachable: bool = False


def observe(
    access: FleetAccess, only: Selection = EVERY_HOST, *, seconds: float, top: int
) -> dict[str, Observed]:
    """Let the selected hosts count at the same time, as far as `--forks` allows; in inventory order.

    Nothing is changed on a host and no lease is needed.

    Args:
        access: the fleet.
        only: which hosts.
        seconds: for how long, 0.1 to 60.
        top: how many keys each names, at most 64.

    Raises:
        InputError: the pattern names no host or group.
    """
    hosts = select(access.fleet, only)
    with reach(hosts, access.transport, access.helper_files, access.forks) as reached:
        names = list(reached.sessions)
        each = partial(_observe, seconds=seconds, top=top)
        looks = reached.executor.map(each, reached.sessions.values())
        return dict(zip(names, looks, strict=True))


def _observe(session: HostSession, *, seconds: float, top: int) -> Observed:
    try:
        return Observed(session.helper().observe(for_s=seconds, top=top))
    except HelperError as error:
        if error.code == "unknown-verb":
            remedy = "`fleetsched apply` brings a newer helper to hosts that have none"
            return Observed(
                error=f"{session.host.name}: its helper is older than the observer", remedy=remedy
            )
        return Observed(error=error.message, remedy=error.remedy, unreachable=error.code in _NO_HELPER)
    except HostError as error:
        return Observed(error=error.message, remedy=error.remedy, unreachable=True)


def observe_profile(
    access: FleetAccess, only: Selection = EVERY_HOST, *, seconds: float
) -> tuple[Profile, dict[str, Observed]]:
    """Let the selected hosts count, and say what they are; also each host's row, as `observe` has it.

    Args:
        access: the fleet.
        only: which hosts.
        seconds: for how long, 0.1 to 60.

    Raises:
        InputError: the pattern names no host or group.
    """
    hosts = select(access.fleet, only)
    with reach(hosts, access.transport, access.helper_files, access.forks) as reached:
        looks = look_at(reached)
        profile = take_profile(reached, looks, seconds=seconds)
    seen = shown_profile(profile)
    return profile, {name: seen.get(name) or _silent(name, look) for name, look in looks.items()}


def shown_profile(profile: Profile) -> dict[str, Observed]:
    """Each host of a profile, as `observe` has it."""
    return {host.host: Observed(host.observation, host.error) for host in profile.seen}


def _silent(name: str, look: Look) -> Observed:
    if look.error:
        return Observed(error=look.error, remedy=look.remedy, unreachable=True)
    if look.facts is not None:
        return Observed(error=f"{name}: left out: a profile has {MOST_HOSTS} hosts at most")
    return Observed(error=f"{name} has no helper", remedy=INSTALL_REMEDY, unreachable=True)
