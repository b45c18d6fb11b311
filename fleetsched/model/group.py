# SPDX-License-Identifier: Apache-2.0
"""Host groups, as their manifests say them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetsched.model.position import BUILT_IN, Position
from fleetsched.model.requires import Requires


@dataclass(frozen=True, slots=True)
class HostGroup:
    """A named set of hosts.

    Attributes:
        hosts: Ansible pattern over the inventory.
        heal: drift is corrected.
        prune: a managed host that no goal claims goes back to the kernel's scheduler.
        hosts_source: where the pattern is written.
    """

    name: str
    hosts: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    requires: Requires = Requires()
    heal: bool = True
    prune: bool = True
    source: Position = field(default=BUILT_IN, compare=False)
    hosts_source: Position = field(default=BUILT_IN, compare=False)
