# SPDX-License-Identifier: Apache-2.0
"""Groups as YAML inventories write them: hosts, variables and children by name."""

from __future__ import annotations

from dataclasses import dataclass

from fleetsched.documents.node import Node, shown
from fleetsched.inventory.connection import Findings
from fleetsched.inventory.names import group_mistake, host_mistake
from fleetsched.inventory.ranges import expand, split_port
from fleetsched.inventory.tree import Tree
from fleetsched.model.position import Position
from fleetsched.model.suggest import suggestion

_GROUP_FIELDS = ("hosts", "vars", "children")
_PLUGIN = "inventory plugins are not run: save `ansible-inventory --list --yaml` as a file"


@dataclass
class GroupReader:
    """Reads documents into a tree; what is wrong goes to the findings."""

    tree: Tree
    findings: Findings

    def _problem(self, node: Node, message: str) -> None:
        self.findings.problems.append(node.problem(message))

    def read(self, document: Node) -> None:
        """Read the top level: groups by name."""
        if not isinstance(document.value, dict):
            self._problem(document, f"expected groups by name, such as `all:`, got {shown(document.value)}")
        elif "plugin" in document.value:
            place = document.key("plugin")
            self.findings.problems.append(place.problem(_PLUGIN))
        else:
            for name, node in document.items():
                self._group(name, node, document)

    def _group(self, name: str, node: Node, parent: Node) -> bool:
        """Read one group; whether its name can be one."""
        wrong = group_mistake(name)
        if wrong:
            self.findings.problems.append(parent.key(name).problem(wrong))
            return False
        self.tree.group(name)
        if not self._is_mapping(node, f"group `{name}`", "`hosts`, `vars` and `children`"):
            return True
        for field, value in node.items():
            if field == "hosts":
                self._hosts(name, value)
            elif field == "vars":
                if self._is_mapping(value, "`vars`", "variables by name"):
                    self.tree.group(name).variables.update(value.items())
            elif field == "children":
                self._children(name, value)
            else:
                message = f"unknown field {shown(field)} of a group{suggestion(field, _GROUP_FIELDS)}"
                self.findings.problems.append(node.key(field).problem(message))
        return True

    def _is_mapping(self, node: Node, what: str, expected: str) -> bool:
        if node.value is not None and not isinstance(node.value, dict):
            self._problem(node, f"{what}: expected {expected}, got {shown(node.value)}")
        return isinstance(node.value, dict)

    def _children(self, name: str, node: Node) -> None:
        node = _single(node)
        if self._is_mapping(node, "`children`", "groups by name, each with a colon at its end"):
            for child, value in node.items():
                if self._group(child, value, node):
                    self.tree.add_child(name, child, node.key(child), self.findings)

    def _hosts(self, group: str, node: Node) -> None:
        node = _single(node)
        if self._is_mapping(node, "`hosts`", "hosts by name, each with a colon at its end"):
            for written, value in node.items():
                self._is_mapping(value, f"host `{written}`", "its variables by name")
                self.add_hosts(group, written, value, node.key(written))

    def add_hosts(self, group: str, written: str, value: Node, place: Position) -> None:
        """Put the hosts that a name with ranges stands for into a group, each with these variables."""
        without_port, port = split_port(written)
        try:
            names = expand(without_port)
        except ValueError as error:
            self.findings.problems.append(place.problem(f"host {shown(written)}: {error}"))
            return
        if any(host_mistake(name) for name in names):
            self.findings.problems.append(place.problem(host_mistake(written) or host_mistake(names[0])))
            return
        for name in names:
            variables = self.tree.hosts.setdefault(name, {})
            self.tree.group(group).hosts[name] = None
            if port is not None:
                variables["ansible_port"] = Node(port, place)
            variables.update(value.items())


def _single(node: Node) -> Node:
    """A single host or group may stand alone, as text without a colon."""
    if not isinstance(node.value, str):
        return node
    return Node({node.value: None}, node.position, {node.value: Node(None, node.position)})
