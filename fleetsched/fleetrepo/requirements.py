# SPDX-License-Identifier: Apache-2.0
"""Requirements that no host can meet: of one group or policy alone, or of both together."""

from __future__ import annotations

from collections.abc import Iterator

from fleetsched.documents.node import Node, shown
from fleetsched.errors import Problem
from fleetsched.model.group import HostGroup
from fleetsched.model.policy import Policy
from fleetsched.model.requires import Requires

# Debian's and Go's names, which people write; `uname -m` prints others.
_OTHER_NAMES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64", "ppc64el": "ppc64le"}


def unmeetable(requires: Requires, node: Node) -> Iterator[Problem]:
    """Check the requirements of one document."""
    for index, arch in enumerate(requires.arch):
        if arch in _OTHER_NAMES:
            place = node.at("spec", "requires", "arch", index)
            yield place.problem(
                f"expected a machine name as `uname -m` prints it: {_OTHER_NAMES[arch]}, got {shown(arch)}"
            )
    why = requires.contradiction(requires)
    if why:
        yield node.at("spec", "requires", "kernel").problem(why)


def contradictory(group: HostGroup, policy: Policy, place: Node) -> Iterator[Problem]:
    """Check a policy with the group whose hosts shall run it."""
    if any(each.requires.contradiction(each.requires) for each in (group, policy)):
        return  # said where it is written
    why = group.requires.contradiction(policy.requires)
    if why:
        yield place.problem(
            f"no host can meet the requirements of policy {shown(policy.name)} and group "
            f"{shown(group.name)}: {why}"
        )
