# SPDX-License-Identifier: Apache-2.0
"""Looking whether hosts can be managed, and trusting their keys."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from fleetsched.errors import BecomeError, HostKeyError, UnreachableError
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.inventory import Host
from fleetsched.operations.hosts import HostCheck, Offer, TrustOutcome, check, trust
from fleetsched.transport.known_hosts import HostKey, KnownHosts
from fleetsched.transport.ssh import ShownKey, SshTransport
from fleetsched.transport.ssh_options import SshDefaults, UserConfig, resolve
from fleetsched.transport.ssh_session import Shown

NEW = HostKey("ssh-ed25519", base64.b64encode(b"new").decode())
OLD = HostKey("ssh-ed25519", base64.b64encode(b"old").decode())


def test_each_host_is_told_in_one_line() -> None:
    foreign = SimulatedHost("foreign")
    foreign.attach_foreign("scx_rusty")
    simulated = [
        SimulatedHost("good"),
        foreign,
        SimulatedHost("new", installed=False),
        SimulatedHost("stock", installed=False, sched_ext=False, kernel_release="6.12.107"),
        SimulatedHost("stock-with-helper", sched_ext=False, kernel_release="6.12.107"),
        SimulatedHost("kept", restricted=True),
        SimulatedHost("kept-new", restricted=True, installed=False),
        SimulatedHost("stopped", serving=False),
        SimulatedHost("down", connect_error=UnreachableError("down: nothing listens", remedy="start it")),
        SimulatedHost(
            "key", connect_error=HostKeyError("key: not known", fingerprint="x", remedy="trust it")
        ),
        SimulatedHost("sudo", become_error=BecomeError("sudo on sudo asks for a password", remedy="allow")),
    ]
    transport = SimulatedTransport({host.name: host for host in simulated})
    hosts = [Host(host.name, host.name) for host in simulated]
    kernel = "kernel 6.18.15+deb13-cloud-amd64, x86_64"
    boot = "boot a kernel with CONFIG_SCHED_CLASS_EXT"
    assert check(hosts, transport, forks=3) == [
        HostCheck("good", True, f"{kernel}, helper 0.1.0, runs the kernel's scheduler"),
        HostCheck(
            "foreign", True, f"{kernel}, helper 0.1.0, runs scx_rusty, which fleetsched did not attach"
        ),
        HostCheck("new", True, f"{kernel}, no helper yet", "`fleetsched apply` installs it"),
        HostCheck(
            "stock", False, "kernel 6.12.107, x86_64, has no sched_ext", f"{boot} (Linux 6.12 or later)"
        ),
        HostCheck(
            "stock-with-helper",
            False,
            "kernel 6.12.107, x86_64, helper 0.1.0, runs the kernel's scheduler; "
            "the kernel 6.12.107 has no sched_ext",
            "boot a kernel built with CONFIG_SCHED_CLASS_EXT (6.12 or later)",
        ),
        HostCheck("kept", True, f"{kernel}, helper 0.1.0 (a restricted key), runs the kernel's scheduler"),
        HostCheck(
            "kept-new",
            False,
            "kept-new has no helper, and its key is kept to the helper, so that apply cannot install one",
            "as an administrator: `fleetsched bootstrap root@kept-new`",
        ),
        HostCheck(
            "stopped",
            False,
            "stopped: the helper's service does not run",
            "look at `systemctl status fleetsched-host` there",
        ),
        HostCheck("down", False, "down: nothing listens", "start it"),
        HostCheck("key", False, "key: not known", "trust it"),
        HostCheck("sudo", False, "sudo on sudo asks for a password", "allow"),
    ]


@dataclass
class KeysOnly:
    """A transport that only shows keys: hosts show NEW, judged by the files for real."""

    file: Path
    unreachable: set[str] = field(default_factory=set)

    def host_key(self, host: Host) -> ShownKey:
        if host.name in self.unreachable:
            raise UnreachableError(f"{host.name}: nothing listens")
        options = resolve(host, UserConfig(self.file.parent / "no-config"), SshDefaults())
        known = tuple(KnownHosts().keys_of(options.key_name, options.known_hosts))
        verdict = KnownHosts().judge(options.key_name, options.address, NEW, options.known_hosts)
        return ShownKey(options, Shown(NEW, verdict, known))


def host(name: str, file: Path, **changes: Any) -> Host:
    options = {"userknownhostsfile": str(file), "globalknownhostsfile": "none"}
    return Host(name, name, ssh_options={**options, **changes.pop("ssh_options", {})}, **changes)


def outcomes(
    hosts: list[Host], transport: KeysOnly, *, replace: bool = False, say: bool = True
) -> tuple[dict[str, TrustOutcome], list[Offer]]:
    offers: list[Offer] = []

    def confirm(offer: Offer) -> bool:
        offers.append(offer)
        return say

    results = trust(hosts, cast(SshTransport, transport), confirm=confirm, replace=replace, forks=2)
    return {result.host: result.outcome for result in results}, offers


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def line(name: str, key: HostKey) -> str:
    return f"{name} {key.type} {key.base64}\n"


def test_a_confirmed_key_is_written_and_known_the_next_time(file: Path) -> None:
    web = host("web-1", file, port=2222)
    first, offers = outcomes([web], KeysOnly(file))
    again, further = outcomes([web], KeysOnly(file))
    assert offers == [Offer("web-1", "[web-1]:2222", "ssh-ed25519", NEW.fingerprint, (), file)]
    assert (first, again, further) == ({"web-1": TrustOutcome.ADDED}, {"web-1": TrustOutcome.KNOWN}, [])
    assert file.read_text(encoding="utf-8") == line("[web-1]:2222", NEW)


def test_a_declined_key_is_not_written(file: Path) -> None:
    result, offers = outcomes([host("web-1", file)], KeysOnly(file), say=False)
    assert (result, len(offers), file.exists()) == ({"web-1": TrustOutcome.DECLINED}, 1, False)


def test_a_changed_key_is_not_even_offered_unless_replacing_was_asked_for(file: Path) -> None:
    file.write_text(line("web-1", OLD), encoding="utf-8")
    result, offers = outcomes([host("web-1", file)], KeysOnly(file))
    assert (result, offers) == ({"web-1": TrustOutcome.CHANGED}, [])
    assert file.read_text(encoding="utf-8") == line("web-1", OLD)


def test_a_changed_key_is_replaced_when_asked_for_and_confirmed(file: Path) -> None:
    file.write_text(line("web-1", OLD), encoding="utf-8")
    result, offers = outcomes([host("web-1", file)], KeysOnly(file), replace=True)
    assert [offer.replaces for offer in offers] == [(OLD.fingerprint,)]
    assert result == {"web-1": TrustOutcome.REPLACED}
    assert file.read_text(encoding="utf-8") == line("web-1", NEW)


def test_a_revoked_key_is_never_offered(file: Path) -> None:
    file.write_text(f"@revoked {line('*', NEW)}", encoding="utf-8")
    result, offers = outcomes([host("web-1", file)], KeysOnly(file), replace=True)
    assert (result, offers) == ({"web-1": TrustOutcome.FAILED}, [])


def test_one_hosts_trouble_does_not_end_the_others(file: Path) -> None:
    hosts = [
        host("down", file),
        host("here", file, connection="local"),
        host("nowhere", file, ssh_options={"userknownhostsfile": "none"}),
        host("web-1", file),
    ]
    result, _ = outcomes(hosts, KeysOnly(file, {"down"}))
    assert result == {
        "down": TrustOutcome.FAILED,
        "here": TrustOutcome.KNOWN,
        "nowhere": TrustOutcome.FAILED,
        "web-1": TrustOutcome.ADDED,
    }
