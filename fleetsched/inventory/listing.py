# SPDX-License-Identifier: Apache-2.0
"""What inventory programs and `ansible-inventory --list` print: groups with lists of hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fleetsched.documents.node import Node, shown
from fleetsched.inventory.connection import Findings
from fleetsched.inventory.names import group_mistake, host_mistake
from fleetsched.inventory.tree import Tree
from fleetsched.model.position import Position

META = "_meta"
_FIELDS = ("hosts", "vars", "children")


def is_listing(document: Node, *, is_json: bool) -> bool:
    """Tell a listing from groups as people write them: it has `_meta`, or, in JSON, lists of hosts."""
    if not isinstance(document.value, dict):
        return False
    return META in document.value or (is_json and any(map(_has_lists, document.value.values())))


def _has_lists(group: Any) -> bool:
    return isinstance(group, list) or (
        isinstance(group, dict) and any(isinstance(group.get(key), list) for key in ("hosts", "children"))
    )


def read_listing(document: Node, tree: Tree, findings: Findings) -> list[str]:
    """Put the groups, hosts and variables of a listing into the tree.

    Returns:
        The hosts of its groups. As in Ansible, variables of other hosts mean nothing.
    """
    reader = _Listing(tree, findings)
    if not reader.expect(document, dict, "expected groups by name"):
        return []
    for name, node in document.items():
        if name != META:
            reader.group(name, node, document.key(name))
    meta = document.get(META)
    if meta is not None and reader.expect(meta, dict, f"`{META}`: expected a mapping"):
        hostvars = meta.get("hostvars")
        if hostvars is not None and reader.expect(hostvars, dict, "`hostvars`: expected hosts by name"):
            for host, node in hostvars.items():
                reader.host(host, node)
    return list(reader.hosts)


def read_host(host: str, answer: Node, tree: Tree, findings: Findings) -> None:
    """Put a host's variables, as a program gives them for it alone, into the tree."""
    _Listing(tree, findings, {host: None}).host(host, answer)


@dataclass
class _Listing:
    tree: Tree
    findings: Findings
    hosts: dict[str, None] = field(default_factory=dict)

    def expect(self, node: Node, kind: type, message: str) -> bool:
        """Whether a value is of a kind; else it is a problem."""
        if not isinstance(node.value, kind):
            self.findings.problems.append(node.problem(f"{message}, got {shown(node.value)}"))
        return isinstance(node.value, kind)

    def group(self, name: str, node: Node, place: Position) -> None:
        """Read one group: its fields, or a list of its hosts, or the variables of the host of that name."""
        wrong = group_mistake(name)
        if wrong:
            self.findings.problems.append(place.problem(wrong))
            return
        variables = self.tree.group(name).variables
        if isinstance(node.value, list):
            self._add_hosts(name, node)
        elif not self.expect(node, dict, f"group `{name}`: expected hosts, vars and children"):
            return
        elif node.value and not any(key in node.value for key in _FIELDS):
            self._add_host(name, name, place)
            variables.update(node.items())
        else:
            self._fields(name, node)

    def _fields(self, name: str, node: Node) -> None:
        hosts, variables, children = (node.get(key) for key in _FIELDS)
        if hosts is not None:
            self._add_hosts(name, hosts)
        if variables is not None and self.expect(variables, dict, "`vars`: expected variables by name"):
            self.tree.group(name).variables.update(variables.items())
        if children is not None and self.expect(children, list, "`children`: expected a list"):
            for _, child in children.items():
                wrong = "expected a group's name" if not isinstance(child.value, str) else ""
                wrong = wrong or group_mistake(child.value)
                if wrong:
                    self.findings.problems.append(child.problem(wrong))
                else:
                    self.tree.add_child(name, child.value, child.position, self.findings)

    def host(self, name: str, node: Node) -> None:
        """Read one host's variables."""
        if self.expect(node, dict, f"host `{name}`: expected its variables by name") and name in self.hosts:
            self.tree.hosts[name].update(node.items())

    def _add_hosts(self, group: str, node: Node) -> None:
        if self.expect(node, list, "`hosts`: expected a list"):
            for _, host in node.items():
                if self.expect(host, str, "expected a host's name"):
                    self._add_host(group, host.value, host.position)

    def _add_host(self, group: str, name: str, place: Position) -> None:
        wrong = host_mistake(name)
        if wrong:
            self.findings.problems.append(place.problem(wrong))
            return
        self.hosts[name] = None
        self.tree.hosts.setdefault(name, {})
        self.tree.group(group).hosts[name] = None
