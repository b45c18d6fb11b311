# SPDX-License-Identifier: Apache-2.0
"""Inventory files and folders to an `Inventory`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetsched.documents.node import Node, shown
from fleetsched.documents.reader import read_file
from fleetsched.errors import Problem
from fleetsched.inventory.connection import Findings
from fleetsched.inventory.ranges import expand, split_port
from fleetsched.inventory.tree import Tree
from fleetsched.model.inventory import Inventory
from fleetsched.model.suggest import suggestion

# Both may stand in an inventory that we read without needing them; see connection.py for those that we need.
_OPAQUE = frozenset({"!vault", "!unsafe"})
# What Ansible ignores in an inventory folder, too.
_IGNORED = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
_VARIABLE_FOLDERS = ("group_vars", "host_vars")
_GROUP_FIELDS = ("hosts", "vars", "children")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_IPV6 = re.compile(r"[0-9a-fA-F:]*:[0-9a-fA-F:.]+")
_NOT_YET = "not supported yet by this version"


@dataclass(frozen=True, slots=True)
class InventoryReading:
    """What could be read.

    Attributes:
        problems: what is wrong; the inventory is then only good for finding more problems.
        warnings: what a reader should know.
    """

    inventory: Inventory
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def read_inventory(paths: Sequence[Path], root: Path) -> InventoryReading:
    """Read inventories and merge them, the later ones over the earlier ones.

    Args:
        paths: YAML files, and folders whose YAML files are read in ASCII order.
        root: problems name files relative to it where they are below it.
    """
    findings = Findings()
    tree = Tree()
    for path in paths:
        for file in _files(path, root, findings):
            name = _name(file, root)
            reading = read_file(file, name, opaque=_OPAQUE)
            findings.problems.extend(reading.problems)
            for document in reading.documents:
                _Document(tree, findings).groups(document)
    inventory = tree.inventory(findings)
    return InventoryReading(
        inventory, tuple(sorted(set(findings.problems))), tuple(sorted(set(findings.warnings)))
    )


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _files(path: Path, root: Path, findings: Findings) -> Iterator[Path]:
    """Find the files to read; what Ansible would read and this version does not is a problem."""

    def refuse(place: Path, message: str) -> None:
        findings.problems.append(Problem(_name(place, root), 0, 0, message))

    if not path.exists():
        refuse(path, "no such inventory")
    elif path.is_dir():
        for entry in sorted(path.iterdir(), key=lambda entry: entry.name):
            if not entry.name.startswith(".") and not entry.name.endswith(_IGNORED):
                if entry.is_dir() and entry.name in _VARIABLE_FOLDERS:
                    refuse(
                        entry,
                        f"`{entry.name}` folders are {_NOT_YET}: put the variables into the inventory file",
                    )
                else:
                    yield from _files(entry, root, findings)
    elif path.suffix in (".yaml", ".yml"):
        yield path
    elif os.access(path, os.X_OK):
        refuse(
            path,
            f"inventories that are programs are {_NOT_YET}: save `ansible-inventory --list --yaml` as a file",
        )
    else:
        kind = "JSON" if path.suffix == ".json" else "only YAML (.yaml, .yml) is read; other"
        refuse(path, f"{kind} inventories are {_NOT_YET}: save `ansible-inventory --list --yaml` as a file")


@dataclass
class _Document:
    tree: Tree
    findings: Findings

    def _problem(self, node: Node, message: str) -> None:
        self.findings.problems.append(node.problem(message))

    def groups(self, document: Node) -> None:
        """Read the top level: groups by name."""
        if not isinstance(document.value, dict):
            self._problem(document, f"expected groups by name, such as `all:`, got {shown(document.value)}")
        elif "plugin" in document.value:
            place = document.key("plugin")
            self.findings.problems.append(place.problem(f"inventory plugins are {_NOT_YET}"))
        else:
            for name, node in document.items():
                self._group(name, node, document)

    def _group(self, name: str, node: Node, parent: Node) -> None:
        if not _NAME.fullmatch(name):
            message = f"expected a group's name of letters, digits, `_`, `.` and `-`, got {shown(name)}"
            self.findings.problems.append(parent.key(name).problem(message))
            return
        self.tree.group(name)
        if not self._is_mapping(node, f"group `{name}`", "`hosts`, `vars` and `children`"):
            return
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

    def _is_mapping(self, node: Node, what: str, expected: str) -> bool:
        if node.value is not None and not isinstance(node.value, dict):
            self._problem(node, f"{what}: expected {expected}, got {shown(node.value)}")
        return isinstance(node.value, dict)

    def _children(self, name: str, node: Node) -> None:
        if self._is_mapping(node, "`children`", "groups by name, each with a colon at its end"):
            for child, value in node.items():
                self._group(child, value, node)
                if child in self.tree.groups:
                    self.tree.group(name).children[child] = node.key(child)

    def _hosts(self, group: str, node: Node) -> None:
        if isinstance(node.value, str):  # a single host may stand there without a colon
            self._host(group, node.value, Node({}, node.position), node)
        elif self._is_mapping(node, "`hosts`", "hosts by name, each with a colon at its end"):
            for written, value in node.items():
                self._host(group, written, value, node)

    def _host(self, group: str, written: str, value: Node, parent: Node) -> None:
        place = parent.key(written)
        without_port, port = split_port(written)
        try:
            names = expand(without_port)
        except ValueError as error:
            self.findings.problems.append(place.problem(f"host {shown(written)}: {error}"))
            return
        if not all(_NAME.fullmatch(name) or _IPV6.fullmatch(name) for name in names):
            message = f"expected a host's name of letters, digits, `_`, `.` and `-`, got {shown(written)}"
            self.findings.problems.append(place.problem(message))
            return
        self._is_mapping(value, f"host `{written}`", "its variables by name")
        for name in names:
            variables = self.tree.hosts.setdefault(name, {})
            self.tree.group(group).hosts[name] = None
            if port is not None:
                variables["ansible_port"] = Node(port, place)
            variables.update(value.items())
