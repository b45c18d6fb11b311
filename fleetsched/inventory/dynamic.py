# SPDX-License-Identifier: Apache-2.0
"""What inventory programs and `ansible-inventory --list` print: groups with lists of hosts, as JSON."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fleetsched.documents.node import Node, shown
from fleetsched.documents.reader import Limits, read_bytes
from fleetsched.errors import Problem
from fleetsched.inventory.connection import Findings
from fleetsched.inventory.tree import Tree
from fleetsched.model.manifests import Position

_META = "_meta"
_LIMIT_S = 60.0
_LIMITS = Limits(bytes=64 << 20, values=4_000_000)
_MOST_ERROR = 300


def is_listing(document: Node, *, is_json: bool) -> bool:
    """Tell a listing from groups as people write them: it has `_meta`, or, in JSON, lists of hosts."""
    if not isinstance(document.value, dict):
        return False
    return _META in document.value or (is_json and any(map(_has_lists, document.value.values())))


def _has_lists(group: Any) -> bool:
    return isinstance(group, list) or (
        isinstance(group, dict) and any(isinstance(group.get(key), list) for key in ("hosts", "children"))
    )


def run_program(file: Path, name: str, findings: Findings) -> Node | None:
    """Run an inventory program as Ansible does; None when it fails.

    Without `_meta` in its answer to `--list` it is asked for every host by `--host`.
    """
    listing = _run(file, name, ["--list"], findings)
    if listing is None:
        return None
    if not isinstance(listing.value, dict):
        findings.problems.append(Problem(name, 0, 0, "--list: expected groups by name"))
        return None
    if _META in listing.value:
        return listing
    hostvars: dict[str | int, Node] = {}
    for host in _hosts(listing):
        answer = _run(file, name, ["--host", host], findings)
        if answer is not None:
            hostvars[host] = answer
    place = Position(name, 0, 0)
    nodes = Node({host: node.value for host, node in hostvars.items()}, place, hostvars)
    meta = Node({"hostvars": nodes.value}, place, {"hostvars": nodes})
    return Node({**listing.value, _META: meta.value}, place, {**listing.children, _META: meta})


def _run(file: Path, name: str, arguments: Sequence[str], findings: Findings) -> Node | None:
    shown_as = f"{name} {' '.join(arguments)}"

    def refuse(message: str) -> Node | None:
        findings.problems.append(Problem(shown_as, 0, 0, message))
        return None

    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                [str(file.absolute()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                cwd=file.absolute().parent,
                timeout=_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return refuse(f"did not end within {_LIMIT_S:g} s")
        except OSError as error:
            return refuse(f"cannot be run: {error.strerror or error}")
        output.seek(0)
        data = output.read(_LIMITS.bytes + 1)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().replace("\n", " ")[-_MOST_ERROR:]
        return refuse(f"ended with exit code {done.returncode}: {said or 'it said nothing'}")
    reading = read_bytes(data, shown_as, limits=_LIMITS)
    findings.problems.extend(reading.problems)
    if len(reading.documents) != 1:
        return None if reading.problems else refuse("printed nothing")
    return reading.documents[0]


def _hosts(listing: Node) -> list[str]:
    found: dict[str, None] = {}
    for _, group in listing.items():
        hosts = group.value if isinstance(group.value, list) else _field(group.value, "hosts")
        found.update(dict.fromkeys(host for host in hosts if isinstance(host, str)))
    return list(found)


def _field(group: Any, name: str) -> list[Any]:
    value = group.get(name) if isinstance(group, dict) else None
    return value if isinstance(value, list) else []


def read_listing(document: Node, tree: Tree, findings: Findings) -> None:
    """Put the groups, hosts and variables of a listing into the tree."""
    for name, node in document.items():
        if name != _META:
            _group(name, node, tree, findings)
    hostvars = document.at(_META, "hostvars")
    if document.get(_META, "hostvars") is not None and isinstance(hostvars.value, dict):
        for host, node in hostvars.items():
            if isinstance(node.value, dict):
                tree.hosts.setdefault(host, {}).update(node.items())
            else:
                findings.problems.append(
                    node.problem(f"host `{host}`: expected its variables by name, got {shown(node.value)}")
                )


def _group(name: str, node: Node, tree: Tree, findings: Findings) -> None:
    group = tree.group(name)
    if isinstance(node.value, list):
        _add_hosts(name, node, tree, findings)
        return
    if not isinstance(node.value, dict):
        findings.problems.append(
            node.problem(f"group `{name}`: expected hosts, vars and children, got {shown(node.value)}")
        )
        return
    for field, value in node.items():
        if field == "hosts":
            _add_hosts(name, value, tree, findings)
        elif field == "vars" and isinstance(value.value, dict):
            group.variables.update(value.items())
        elif field == "children" and isinstance(value.value, list):
            for index, child in enumerate(value.value):
                if isinstance(child, str):
                    tree.group(child)
                    group.children[child] = value.at(index).position


def _add_hosts(group: str, node: Node, tree: Tree, findings: Findings) -> None:
    if not isinstance(node.value, list):
        findings.problems.append(node.problem(f"`hosts`: expected a list, got {shown(node.value)}"))
        return
    for index, host in enumerate(node.value):
        if isinstance(host, str):
            tree.hosts.setdefault(host, {})
            tree.group(group).hosts[host] = None
        else:
            findings.problems.append(node.at(index).problem(f"expected a host's name, got {shown(host)}"))
