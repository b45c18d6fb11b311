# SPDX-License-Identifier: Apache-2.0
"""The groups of all files, merged, and what a host gets of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from fleetsched.documents.node import Node
from fleetsched.inventory import connection
from fleetsched.inventory.connection import Findings
from fleetsched.model.inventory import Host, Inventory
from fleetsched.model.manifests import Position


@dataclass
class Group:
    """One group, as far as the files read so far tell."""

    name: str
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, Position] = field(default_factory=dict)
    variables: dict[str, Node] = field(default_factory=dict)

    def priority(self) -> int:
        """Among groups of the same depth the higher wins; 1 unless given."""
        node = self.variables.get("ansible_group_priority")
        return node.value if node is not None and isinstance(node.value, int) else 1


@dataclass
class VariableFiles:
    """The `group_vars` and `host_vars` beside one inventory: variables by group and by host."""

    groups: dict[str, dict[str, Node]] = field(default_factory=dict)
    hosts: dict[str, dict[str, Node]] = field(default_factory=dict)


@dataclass
class Tree:
    """All groups and hosts.

    Attributes:
        hosts: a host's own variables by host.
        files: of each inventory, in the order in which they are given.
    """

    groups: dict[str, Group] = field(default_factory=lambda: {"all": Group("all")})
    hosts: dict[str, dict[str, Node]] = field(default_factory=dict)
    files: list[VariableFiles] = field(default_factory=list)

    def group(self, name: str) -> Group:
        """Return a group; make it when it is not there."""
        return self.groups.setdefault(name, Group(name))

    def inventory(self, findings: Findings) -> Inventory:
        """Apply precedence and make the values that others use."""
        ranks = self._ranks(findings)
        members = {name: self._members(name) for name in self.groups}
        of_host: dict[str, list[str]] = {name: [] for name in self.hosts}
        for group in ranks:
            for name in members[group]:
                of_host[name].append(group)
        members["all"] = tuple(self.hosts)
        members["ungrouped"] = tuple(
            name for name, groups in of_host.items() if not set(groups) - {"ungrouped"}
        )
        hosts = {name: self._host(name, of_host[name], findings) for name in self.hosts}
        return Inventory(hosts=hosts, groups=members)

    def _host(self, name: str, groups: list[str], findings: Findings) -> Host:
        # Ansible's order (its setting VARIABLE_PRECEDENCE): what inventories say of any group is weaker than
        # what group_vars say of all hosts.
        variables: dict[str, Node] = {}
        for group in ["all", *groups]:
            variables.update(self.groups[group].variables)
        for files in self.files:
            variables.update(files.groups.get("all", {}))
        for files in self.files:
            for group in groups:
                variables.update(files.groups.get(group, {}))
        variables.update(self.hosts[name])
        for files in self.files:
            variables.update(files.hosts.get(name, {}))
        return connection.host(name, variables, tuple(sorted(groups)), findings)

    def _ranks(self, findings: Findings) -> list[str]:
        """List the groups but `all`, the weakest first: by depth, then priority, then name in ASCII order."""
        depths: dict[str, int] = {}
        parents = self._parents()
        for name in self._parents_first(parents, findings):
            depths[name] = 1 + max((depths[parent] for parent in parents[name]), default=0)
        return sorted(depths, key=lambda name: (depths[name], self.groups[name].priority(), name))

    def _parents(self) -> dict[str, list[str]]:
        parents: dict[str, list[str]] = {name: [] for name in self.groups if name != "all"}
        for group in self.groups.values():
            for child in group.children:
                if group.name != "all":
                    parents[child].append(group.name)
        return parents

    def _parents_first(self, parents: dict[str, list[str]], findings: Findings) -> list[str]:
        """Order the groups; a circle is a problem, and is opened so that the rest can be read."""
        while True:
            try:
                return list(TopologicalSorter(parents).static_order())
            except CycleError as error:
                circle = error.args[1]
                parent, child = circle[0], circle[1]
                place = self.groups[parent].children.pop(child)
                parents[child].remove(parent)
                message = f"groups are children of each other in a circle: {' > '.join(circle)}"
                findings.problems.append(place.problem(message))

    def _members(self, name: str) -> tuple[str, ...]:
        """List a group's hosts: its own first, then those of its children, level by level."""
        return tuple(dict.fromkeys(host for group in self._descendants(name) for host in group.hosts))

    def _descendants(self, name: str) -> Iterator[Group]:
        seen = {name: None}
        level = [name]
        while level:
            yield from (self.groups[group] for group in level)
            below = [child for group in level for child in self.groups[group].children if child not in seen]
            seen.update(dict.fromkeys(below))
            level = list(dict.fromkeys(below))
