# SPDX-License-Identifier: Apache-2.0
"""The groups of all files, merged, and what a host gets of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import chain

from fleetsched.documents.literals import IN_INVENTORY, called_secret, known_forms
from fleetsched.documents.node import Node, shown
from fleetsched.inventory import connection
from fleetsched.inventory.connection import Findings
from fleetsched.model.inventory import Host, Inventory
from fleetsched.model.position import Position

_CIRCLE = "groups are children of each other in a circle"


@dataclass
class Group:
    """One group, as far as the files read so far tell."""

    name: str
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, Position] = field(default_factory=dict)
    variables: dict[str, Node] = field(default_factory=dict)

    def priority(self, findings: Findings) -> int:
        """Among groups of the same depth the higher wins; 1 unless given."""
        node = self.variables.get("ansible_group_priority")
        if node is None:
            return 1
        try:
            return int(node.value)
        except (TypeError, ValueError, OverflowError):
            message = f"`ansible_group_priority`: expected a whole number, got {shown(node.value)}"
            findings.problems.append(node.problem(message))
            return 1


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

    groups: dict[str, Group] = field(
        default_factory=lambda: {name: Group(name) for name in ("all", "ungrouped")}
    )
    hosts: dict[str, dict[str, Node]] = field(default_factory=dict)
    files: list[VariableFiles] = field(default_factory=list)

    def group(self, name: str) -> Group:
        """Return a group; make it when it is not there."""
        return self.groups.setdefault(name, Group(name))

    def add_child(self, parent: str, child: str, place: Position, findings: Findings) -> None:
        """Put a group below another. Circles are found later, but `all` is above every group already."""
        if child == "all":
            findings.problems.append(place.problem(f"{_CIRCLE}: all > {parent} > all"))
            return
        self.group(child)
        self.group(parent).children[child] = place

    def inventory(self, findings: Findings) -> Inventory:
        """Apply precedence and make the values that others use."""
        self._settle_ungrouped()
        self._find_secrets(findings)
        ranks = self._ranks(findings)
        members = {name: self._members(name) for name in self.groups}
        of_host: dict[str, list[str]] = {name: [] for name in self.hosts}
        for group in ranks:
            for name in members[group]:
                of_host[name].append(group)
        hosts = {name: self._host(name, of_host[name], findings) for name in self.hosts}
        return Inventory(hosts=hosts, groups=members)

    def _find_secrets(self, findings: Findings) -> None:
        """Tokens and keys are a mistake. What only has a secret's name is a warning: others may need it."""
        of_groups = [group.variables for group in self.groups.values()]
        of_files = [kind.values() for files in self.files for kind in (files.groups, files.hosts)]
        variables = {
            id(node): (name, node)  # a range's hosts share theirs
            for each in (*of_groups, *self.hosts.values(), *chain.from_iterable(of_files))
            for name, node in each.items()
            if name not in connection.KNOWN
        }
        for name, node in variables.values():
            findings.problems.extend(known_forms(node, IN_INVENTORY))
            named = Node({name: node.value}, node.position, {name: node})
            findings.warnings.extend(called_secret(named, IN_INVENTORY))

    def _settle_ungrouped(self) -> None:
        """Let `ungrouped` have the hosts that no other group has, whatever the files say, as in Ansible."""
        grouped: set[str] = set()
        for group in self.groups.values():
            if group.name not in ("all", "ungrouped"):
                grouped.update(group.hosts)
        ungrouped = self.groups["ungrouped"]
        said = [*ungrouped.hosts, *self.hosts]
        ungrouped.hosts = {host: None for host in said if host not in grouped}

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
        priorities = {name: self.groups[name].priority(findings) for name in depths}
        return sorted(depths, key=lambda name: (depths[name], priorities[name], name))

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
                findings.problems.append(place.problem(f"{_CIRCLE}: {' > '.join(circle)}"))

    def _members(self, name: str) -> tuple[str, ...]:
        """List a group's hosts: its own first, then those of its children, level by level."""
        return tuple(dict.fromkeys(host for group in self._descendants(name) for host in group.hosts))

    def _descendants(self, name: str) -> Iterator[Group]:
        seen = {name: None}
        level = [name]
        while level:
            yield from (self.groups[group] for group in level)
            below = [child for group in level for child in self._children(group) if child not in seen]
            seen.update(dict.fromkeys(below))
            level = list(dict.fromkeys(below))

    def _children(self, name: str) -> list[str]:
        """A group's children; those of `all` in Ansible's order, which slices such as `all[0:5]` count by."""
        if name != "all":
            return list(self.groups[name].children)
        below = {child for group in self.groups.values() if group.name != "all" for child in group.children}
        top = [group for group in self.groups if group != "all" and group not in below]
        return ["ungrouped", *self.groups["all"].children, *top]
