# SPDX-License-Identifier: Apache-2.0
"""Everything that a command about hosts needs: the checked files, the revision, and the way to hosts."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fleetsched.errors import RefusedError
from fleetsched.fleetrepo.controller import load_controller
from fleetsched.fleetrepo.load import load_fleet
from fleetsched.fleetrepo.revision import Revision, head
from fleetsched.fleetrepo.secret import resolve_secret
from fleetsched.lab import is_lab_known_hosts
from fleetsched.model.controller import Controller, Sign
from fleetsched.model.fleet import Fleet
from fleetsched.model.inventory import Host
from fleetsched.rollout.session import HelperFiles
from fleetsched.rollout.signatures import KeySignatures, NoSignatures, Signatures

if TYPE_CHECKING:
    from fleetsched.transport.by_host import ByHostTransport


@dataclass(frozen=True, slots=True)
class FleetAccess:
    """A fleet repository at one revision, and how its hosts are reached.

    Attributes:
        root: the repository's folder.
        controller: the controller's own file, with the environment over it.
        helper_files: builds or finds the helper for an architecture; called only when one is to be installed.
        forks: hosts at the same time.
        signatures: for the hosts that take only signed assignments.
    """

    root: Path
    fleet: Fleet
    revision: Revision
    controller: Controller
    transport: ByHostTransport
    helper_files: Callable[[str], HelperFiles]
    forks: int
    signatures: Signatures = field(default_factory=NoSignatures)


def open_fleet(
    root: Path,
    *,
    inventory: Sequence[Path] | None,
    config: Path | None,
    forks: int | None,
    fetch: bool = False,
    approved: bool = False,
    become_password: str = "",
) -> FleetAccess:
    """Load and check a fleet repository and the controller's own file.

    Args:
        root: the repository's folder.
        inventory: inventories instead of the repository's default.
        config: the controller's file instead of the default ones.
        forks: instead of the controller's file.
        fetch: ask the trusted remote what is merged now.
        become_password: for sudo on hosts; empty = the controller's file may name one.
        approved: refuse a revision that is not, before anything of it is read.

    Raises:
        RefusedError: the revision is not approved, and must be.
        ProblemsError: every mistake of every file.
        FleetschedError: the trusted branch cannot be fetched.
    """
    controller = load_controller(config)
    # First who vouches for the folder, then what is in it: it may hold programs, which an inventory may be.
    revision = head(root, controller.trust, fetch=fetch)
    if approved and not revision.approved:
        raise RefusedError(
            f"refused: NOT APPROVED: {'; '.join(revision.objections)}",
            remedy=f"{revision.remedy}; in a lab alone, --unreviewed lifts this",
        )
    return access_at(root, revision, controller, inventory, forks, become_password)


def access_at(
    root: Path,
    revision: Revision,
    controller: Controller,
    inventory: Sequence[Path] | None = None,
    forks: int | None = None,
    become_password: str = "",
) -> FleetAccess:
    """Load and check a fleet repository whose revision has been judged; the rest is as for `open_fleet`.

    Raises:
        ProblemsError: every mistake of every file.
    """
    from fleetsched.transport.by_host import ByHostTransport
    from fleetsched.transport.ssh import SshTransport
    from fleetsched.transport.ssh_options import SshDefaults

    ssh = controller.ssh
    if not become_password and ssh.become_password is not None:
        become_password = resolve_secret(ssh.become_password)
    return FleetAccess(
        root=root,
        fleet=load_fleet(root, inventory, run_programs=bool(inventory) or revision.approved),
        revision=revision,
        controller=controller,
        transport=ByHostTransport(
            SshTransport(SshDefaults(ssh.user, ssh.key_file, ssh.connect_timeout_s), become_password),
            become_password,
        ),
        helper_files=_helper_files,
        forks=forks or ssh.forks,
        signatures=with_key(controller.sign),
    )


def with_key(sign: Sign) -> Signatures:
    """Sign with the key that the controller's file names; without one there are no signatures."""
    return KeySignatures(Path(sign.key).expanduser(), sign.valid_s) if sign.key else NoSignatures()


def may_skip_review(hosts: Iterable[Host]) -> bool:
    """Whether all hosts are a lab's: by SSH on loopback, known by a file that `fleetsched lab` wrote."""
    # A local connection is to the controller itself, whatever its address; no host key is compared.
    return all(host.connection == "ssh" and _is_loopback(host.address) and _knows_lab(host) for host in hosts)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _knows_lab(host: Host) -> bool:
    # Through a jump host, loopback is another machine's.
    redirected = {"proxyjump", "proxycommand", "hostname"} & host.ssh_options.keys()
    # A forwarded port on loopback leads anywhere: no other file, and no other name in it, may vouch for that.
    elsewhere = host.ssh_options.get("globalknownhostsfile", "none").lower() != "none"
    elsewhere |= "hostkeyalias" in host.ssh_options
    known_hosts = host.ssh_options.get("userknownhostsfile", "")
    return not (redirected or elsewhere) and bool(known_hosts) and is_lab_known_hosts(Path(known_hosts))


@cache
def _helper_files(arch: str) -> HelperFiles:
    from fleetsched.helper.build import find_helper, find_unit

    return HelperFiles(find_helper(arch).read_bytes(), find_unit().read_bytes())
