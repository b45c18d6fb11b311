# SPDX-License-Identifier: Apache-2.0
"""Helpers of hosts as text for 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetsched.model.helper import Compared, HostHelper
from fleetsched.model.plan import HostPlan
from fleetsched.model.wording import counted, printable
from fleetsched.views.plan import wrap

_WORDS = {
    Compared.CURRENT: "this fleetsched's own",
    Compared.OLDER: "older: `fleetsched helper upgrade`",
    Compared.NEWER: "newer than this fleetsched",
    Compared.OTHER_BUILD: "another build of the same version: `fleetsched helper upgrade`",
}


def helpers_text(hosts: Sequence[HostHelper]) -> str:
    """A line a host: its helper, and how it compares."""
    return printable("\n".join(wrap(f"{host.host}: {_words(host)}", "    ") for host in hosts))


def _words(host: HostHelper) -> str:
    if host.helper is None or host.compared is None:
        return f"unknown: {host.error}" if host.error else "no helper: `fleetsched helper install`"
    digest = f" ({host.helper.sha256[:8]})" if host.helper.sha256 else ""
    return f"helper {host.helper.version}{digest}, protocol {host.helper.protocol}, {_WORDS[host.compared]}"


def upgrade_text(hosts: Sequence[HostPlan]) -> str:
    """What an upgrade would do: a line a host, in its order."""
    if not hosts:
        return "No changes: no host has another helper than this fleetsched's own."
    return _planned(hosts, "Helpers to upgrade")


def install_text(hosts: Sequence[HostPlan]) -> str:
    """What an installation would do: a line a host, in its order."""
    if not hosts:
        return "No changes: every host of a group has a helper."
    return _planned(hosts, "Helpers to install")


def _planned(hosts: Sequence[HostPlan], what: str) -> str:
    lines = [line for host in hosts for line in _plan(host)]
    count = sum(host.known and not host.problem for host in hosts)
    return printable("\n".join([*lines, "", f"{what}: {counted(count, 'host')}."]))


def _plan(host: HostPlan) -> Iterator[str]:
    if not host.known:
        yield wrap(f"? {host.host}: unknown: {host.reason}", "    ")
        return
    change = f"{host.before} -> {host.after}"
    yield wrap(
        f"~ {host.host}: {change} ({host.reason})" if host.reason else f"+ {host.host}: {change}", "    "
    )
    if host.problem:
        yield wrap(f"    cannot: {host.problem}", "      ")
    if host.remedy:
        yield wrap(f"    do: {host.remedy}", "      ")
