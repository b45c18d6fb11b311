# SPDX-License-Identifier: Apache-2.0
"""`fleetsched bootstrap`: as an administrator, let the fleet's key reach hosts' helpers and nothing else."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fleetsched.errors import FleetschedError, HelperError, HostError, InputError, UsageError
from fleetsched.helper.access import Access, Mode, run_access, try_access
from fleetsched.helper.install import install
from fleetsched.helper.session import NoHelper, open_helper
from fleetsched.model.access import Change, public_keys
from fleetsched.model.fleet import Fleet
from fleetsched.model.inventory import Host
from fleetsched.operations.files import read_bounded
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.release import destination
from fleetsched.transport.interface import Connection

DEFAULT_USER = "fleetsched"

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_MOST_BYTES = 64 << 10  # of a file of signers: it travels as an argument
_LEASE_S = 300.0  # nobody else changes a host while it is taken away
_WHY = "bootstrap --remove"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with one host; `access.keys` is empty when all of it is taken away."""

    host: Host
    access: Access

    @property
    def removes(self) -> bool:
        """Whether the host is put back to what it was."""
        return not self.access.keys


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would be done with one host.

    Attributes:
        changes: in their order; empty = nothing.
        notes: what a person should look at.
        arch: as `uname -m` says it.
        install: whether the helper would be installed.
        error: why nothing can be done with this host.
        connection: stays open for what follows.
    """

    wish: Wish
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    arch: str = ""
    install: bool = False
    error: FleetschedError | None = None
    connection: Connection | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """How one host came out of it.

    Attributes:
        found: one line.
        left: what of ours could not be taken away, because something is in it.
        error: why it was not done.
    """

    host: str
    found: str = ""
    left: tuple[str, ...] = ()
    error: FleetschedError | None = None


def wishes(
    access: FleetAccess,
    names: Sequence[str],
    *,
    user: str,
    key: Path,
    signers: Path | None,
    group: str | None,
    private_key: str | None,
) -> list[Wish]:
    """Say what is wanted of each host that `names` name.

    Args:
        access: the fleet repository and the way to its hosts.
        names: host patterns of the inventory, or [user@]name[:port].
        user: name of the account on hosts.
        key: file of the fleet's public keys.
        signers: file of allowed signers.
        group: name of a HostGroup; None = each host's own, where exactly one claims it.
        private_key: the administrator's, instead of what the inventory says.

    Raises:
        InputError: a name is no host, a file is not what it should be, or there is no such group.
        UsageError: hosts that demand signatures would have no group.
    """
    if not _USER.fullmatch(user):
        raise UsageError(f"{user!r} is no name for an account: lower-case letters, digits, `-` and `_`")
    wanted = Access(user, public_keys(_read(key), str(key)), _read(signers).rstrip("\n") if signers else "")
    if group is not None and group not in access.fleet.groups:
        raise InputError(f'no HostGroup "{group}"', remedy=f"there are: {', '.join(access.fleet.groups)}")
    found = []
    for host in administered(access.fleet, names, private_key):
        own = group or _group_of(access.fleet, host)
        if signers and not own:
            raise UsageError(
                f"{host.name}: signatures are for a group, and not exactly one HostGroup claims it",
                remedy="say which with --group",
            )
        found.append(Wish(host, replace(wanted, group=own)))
    return found


def removals(access: FleetAccess, names: Sequence[str], *, private_key: str | None) -> list[Wish]:
    """Say which hosts are put back to what they were; arguments and errors as for `wishes`."""
    hosts = administered(access.fleet, names, private_key)
    return [Wish(host, Access(DEFAULT_USER)) for host in hosts]


def administered(fleet: Fleet, names: Sequence[str], private_key: str | None) -> list[Host]:
    """Find hosts, and how an administrator reaches them.

    With another user than the inventory's, the inventory's key and its word about sudo do not count either.
    """
    found: dict[str, Host] = {}
    for name in names:
        for host in _named(fleet, name):
            found[host.name] = replace(host, key_file=private_key) if private_key else host
    return [*found.values()]


def _named(fleet: Fleet, name: str) -> list[Host]:
    try:
        given = destination(name)
    except InputError:
        return fleet.inventory.select(name)
    known = fleet.inventory.hosts.get(given.name)
    if known is None:
        return fleet.inventory.select(name) if name in fleet.inventory.groups or name == "all" else [given]
    port = given.port or known.port
    if given.user in (None, known.user):
        return [replace(known, port=port)]
    return [replace(known, port=port, user=given.user, key_file=None, become=None)]


def _group_of(fleet: Fleet, host: Host) -> str:
    groups = [name for name in fleet.groups if host.name in {one.name for one in fleet.hosts(name)}]
    return groups[0] if len(groups) == 1 else ""


def _read(file: Path) -> str:
    data = read_bounded(file.expanduser(), _MOST_BYTES)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} cannot be read: {error}") from error


@contextmanager
def look(access: FleetAccess, wanted: Sequence[Wish]) -> Iterator[tuple[list[Prospect], Executor]]:
    """Say what would be done with each host, in their order; no host's trouble raises.

    Connections stay open inside.
    """
    with (
        ExitStack() as connections,
        ThreadPoolExecutor(max_workers=max(1, access.forks), thread_name_prefix="host") as executor,
    ):
        prospects = list(executor.map(lambda wish: _look(access, wish), wanted))
        for prospect in prospects:
            if prospect.connection:
                connections.enter_context(prospect.connection)
        yield prospects, executor


def _look(access: FleetAccess, wish: Wish) -> Prospect:
    connection: Connection | None = None
    try:
        connection = access.transport.connect(wish.host)
        mode = Mode.LOOK_REMOVE if wish.removes else Mode.LOOK
        report = run_access(connection, wish.host.name, mode, wish.access)
        return Prospect(wish, report.changes, report.notes, report.arch, report.install, None, connection)
    except (FleetschedError, TimeoutError) as error:
        return Prospect(wish, error=_as_ours(error), connection=connection)


def carry_out(access: FleetAccess, prospects: Sequence[Prospect], executor: Executor) -> list[Done]:
    """Do it on all hosts that something is to be done with, and try the way; no host's trouble raises."""
    return list(executor.map(lambda prospect: _guarded(access, prospect), prospects))


def _guarded(access: FleetAccess, prospect: Prospect) -> Done:
    host = prospect.wish.host.name
    if prospect.error or prospect.connection is None:
        return Done(host, error=prospect.error)
    try:
        if prospect.wish.removes:
            return _remove(prospect.connection, prospect)
        return _make(prospect.connection, prospect, access)
    except (FleetschedError, TimeoutError) as error:
        return Done(host, error=_as_ours(error))


def _make(connection: Connection, prospect: Prospect, access: FleetAccess) -> Done:
    host, wanted = prospect.wish.host.name, prospect.wish.access
    changes = bool(prospect.changes or prospect.install)
    if changes:
        with _claimed(connection, host, wanted):
            # Another bootstrap may have been there since the look.
            if run_access(connection, host, Mode.MAKE, wanted).install:
                files = access.helper_files(prospect.arch)
                install(connection, host, files.binary, files.unit)
    version = try_access(connection, host, wanted)
    changed = "" if changes else "nothing was changed: "
    return Done(host, f"{changed}the key reaches helper {version} as {wanted.user}")


def _remove(connection: Connection, prospect: Prospect) -> Done:
    host, wanted = prospect.wish.host.name, prospect.wish.access
    if not prospect.changes:
        return Done(host, "nothing was changed: bootstrap made nothing here")
    with _claimed(connection, host, wanted), _detached(connection, host):
        report = run_access(connection, host, Mode.REMOVE, wanted)
    left = tuple(change.what for change in report.changes if change.verb == "left")
    return Done(host, "all that bootstrap made is gone", left)


@contextmanager
def _claimed(connection: Connection, host: str, access: Access) -> Iterator[None]:
    """Keep other bootstraps from changing the host inside."""
    owner = _owner()
    run_access(connection, host, Mode.CLAIM, access, owner=owner)
    try:
        yield
    finally:
        with suppress(HostError, TimeoutError):  # lost with the connection; then it runs out by itself
            run_access(connection, host, Mode.RELEASE, access, owner=owner)


def _owner() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"


@contextmanager
def _detached(connection: Connection, host: str) -> Iterator[None]:
    """Give the host back to the kernel's own scheduler, and keep others from changing that inside.

    Where no helper answers, the kernel has it already.
    """
    try:
        helper = open_helper(connection, host)
    except HelperError as error:
        if error.code != "no-service":
            raise
        yield
        return
    if isinstance(helper, NoHelper):
        yield
        return
    with helper:
        token = helper.lease(f"{_owner()}, {_WHY}", _LEASE_S).token
        if helper.stop(_WHY, token).running:
            raise HostError(f"{host}: the helper did not let its policy go; nothing was taken away")
        yield
        with suppress(HostError):  # a helper that was there before bootstrap is still there
            helper.release_lease(token)


def _as_ours(error: FleetschedError | TimeoutError) -> FleetschedError:
    return error if isinstance(error, FleetschedError) else HostError(str(error))
