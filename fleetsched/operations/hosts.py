# SPDX-License-Identifier: Apache-2.0
"""`fleetsched hosts`: trusting hosts' keys, and looking whether hosts can be managed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fleetsched.errors import FleetschedError, HostError, InputError
from fleetsched.helper.client import HelperClient
from fleetsched.helper.session import NoHelper, is_restricted, open_helper, restricted_without_helper
from fleetsched.model.inventory import Host
from fleetsched.model.state import Facts, Status

if TYPE_CHECKING:
    from fleetsched.transport.interface import Transport
    from fleetsched.transport.ssh import ShownKey, SshTransport


@dataclass(frozen=True, slots=True)
class HostCheck:
    """Whether one host can be managed.

    Attributes:
        host: its name.
        ok: whether `apply` can work on it.
        found: one line of what was found, or what is in the way.
        remedy: what to do about it; empty when nothing.
    """

    host: str
    ok: bool
    found: str
    remedy: str = ""


def check(hosts: Sequence[Host], transport: Transport, *, forks: int) -> list[HostCheck]:
    """Look whether each host can be reached and managed: connection, key, login, sudo, helper, sched_ext.

    Args:
        hosts: which.
        transport: how they are reached.
        forks: how many at the same time.

    Returns:
        One line a host, in the order of `hosts`; no host's trouble raises.
    """
    with ThreadPoolExecutor(max_workers=max(1, forks), thread_name_prefix="check") as pool:
        return list(pool.map(partial(_check, transport), hosts))


def _check(transport: Transport, host: Host) -> HostCheck:
    try:
        with transport.connect(host) as connection:
            opened = open_helper(connection, host.name)
            if isinstance(opened, NoHelper):
                return _without_helper(host.name, opened)
            with opened:
                return _with_helper(host.name, opened, restricted=is_restricted(connection))
    except (HostError, TimeoutError) as error:
        message = error.message if isinstance(error, HostError) else str(error)
        remedy = error.remedy if isinstance(error, HostError) else ""
        return HostCheck(host.name, False, message, remedy)


def _without_helper(name: str, host: NoHelper) -> HostCheck:
    if host.restricted:
        return HostCheck(name, False, *restricted_without_helper(name))
    kernel = f"kernel {host.kernel_release}, {host.arch}"
    if not host.sched_ext:
        remedy = "boot a kernel with CONFIG_SCHED_CLASS_EXT (Linux 6.12 or later)"
        return HostCheck(name, False, f"{kernel}, has no sched_ext", remedy)
    if not host.systemd:
        return HostCheck(
            name, False, f"{kernel}, is not run by systemd", "the helper needs it as its service"
        )
    return HostCheck(name, True, f"{kernel}, no helper yet", "`fleetsched apply` installs it")


def _with_helper(name: str, helper: HelperClient, *, restricted: bool) -> HostCheck:
    facts, status = helper.facts(), helper.status()
    version = helper.greeting.helper if helper.greeting else "?"
    kept = " (a restricted key)" if restricted else ""
    found = f"kernel {facts.kernel_release}, {facts.arch}, helper {version}{kept}, {_runs(status)}"
    if facts.problems:
        first = facts.problems[0]
        return HostCheck(name, False, f"{found}; {first.message}", first.remedy)
    return HostCheck(name, True, f"{found}{_warnings(facts)}")


def _runs(status: Status) -> str:
    if status.running:
        return f"runs {status.running.assignment}"
    if status.foreign:
        return f"runs {status.foreign}, which fleetsched did not attach"
    return "runs the kernel's scheduler"


def _warnings(facts: Facts) -> str:
    return "".join(f"; {warning.message}" for warning in facts.warnings)


class TrustOutcome(StrEnum):
    """What became of one host's key."""

    KNOWN = "known"  # it was trusted already
    ADDED = "added"
    REPLACED = "replaced"
    DECLINED = "declined"  # the person said no
    CHANGED = "changed"  # another key is known, and replacing it was not asked for
    FAILED = "failed"  # revoked, unreachable, or the file cannot be written


@dataclass(frozen=True, slots=True)
class Offer:
    """A key to be trusted, as a person sees it.

    Attributes:
        host: its name in the inventory.
        entry: its name in known_hosts.
        kind, fingerprint: of the key that it showed.
        replaces: fingerprints of the keys that were known until now.
        file: where it will be written; None when the SSH configuration wants no keys to be kept.
    """

    host: str
    entry: str
    kind: str
    fingerprint: str
    replaces: tuple[str, ...]
    file: Path | None


@dataclass(frozen=True, slots=True)
class Trusted:
    """What became of one host's key.

    Attributes:
        host: its name.
        outcome: in one word.
        offer: the key that it showed; None when it showed none.
        error: why, when the outcome is CHANGED or FAILED.
    """

    host: str
    outcome: TrustOutcome
    offer: Offer | None = None
    error: FleetschedError | None = None


def trust(
    hosts: Sequence[Host],
    transport: SshTransport,
    *,
    confirm: Callable[[Offer], bool],
    replace: bool,
    forks: int,
) -> list[Trusted]:
    """Ask hosts for their keys and write those that a person confirms into the known_hosts file that counts.

    Args:
        hosts: which; this machine itself needs no key.
        transport: how they are reached.
        confirm: asked once a key, one after the other, in the order of `hosts`.
        replace: whether a key may take the place of another that is known; else such a host is CHANGED.
        forks: how many hosts are asked at the same time.

    Returns:
        One a host, in the order of `hosts`; no host's trouble raises.
    """
    with ThreadPoolExecutor(max_workers=max(1, forks), thread_name_prefix="keys") as pool:
        shown = list(pool.map(partial(_ask, transport), hosts))
    return [_decide(host, key, confirm, replace=replace) for host, key in zip(hosts, shown, strict=True)]


def _ask(transport: SshTransport, host: Host) -> ShownKey | FleetschedError | None:
    if host.connection == "local":
        return None
    try:
        return transport.host_key(host)
    except FleetschedError as error:
        return error


def _decide(
    host: Host,
    answer: ShownKey | FleetschedError | None,
    confirm: Callable[[Offer], bool],
    *,
    replace: bool,
) -> Trusted:
    from fleetsched.transport.known_hosts import Verdict
    from fleetsched.transport.known_hosts_edit import add_key
    from fleetsched.transport.ssh_session import refused_key

    if answer is None:
        return Trusted(host.name, TrustOutcome.KNOWN)
    if isinstance(answer, FleetschedError):
        return Trusted(host.name, TrustOutcome.FAILED, error=answer)
    offer, verdict = _offer(answer), answer.shown.verdict
    if verdict is Verdict.KNOWN:
        return Trusted(host.name, TrustOutcome.KNOWN, offer)
    refused = refused_key(answer.options, answer.shown, on_the_way=False)
    if verdict is Verdict.REVOKED:
        return Trusted(host.name, TrustOutcome.FAILED, offer, refused)
    if verdict is Verdict.CHANGED and not replace:
        return Trusted(host.name, TrustOutcome.CHANGED, offer, refused)
    if offer.file is None:
        nowhere = InputError(f"{host.name}: its UserKnownHostsFile is `none`, so no key can be kept")
        return Trusted(host.name, TrustOutcome.FAILED, offer, nowhere)
    if not confirm(offer):
        return Trusted(host.name, TrustOutcome.DECLINED, offer)
    changed = verdict is Verdict.CHANGED
    try:
        add_key(offer.file, offer.entry, answer.shown.key, replace=changed)
    except FleetschedError as error:
        return Trusted(host.name, TrustOutcome.FAILED, offer, error)
    return Trusted(host.name, TrustOutcome.REPLACED if changed else TrustOutcome.ADDED, offer)


def _offer(answer: ShownKey) -> Offer:
    options, shown = answer.options, answer.shown
    return Offer(
        host=options.host,
        entry=options.key_name,
        kind=shown.key.type,
        fingerprint=shown.key.fingerprint,
        replaces=tuple(key.fingerprint for key in shown.known),
        file=options.trust_file,
    )
