# SPDX-License-Identifier: Apache-2.0
"""The names in a fleet repository, for a shell to complete: read quickly, checked not at all, nothing run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fleetsched.documents.node import Node
from fleetsched.documents.reader import Limits, read_file

# Somebody waits for the Tab key: what is larger is left out.
_LIMITS = Limits(bytes=256 * 1024, values=50_000)


def goals(root: Path) -> list[str]:
    """The goals of the manifests."""
    return _named(root, "WorkloadGoal")


def host_groups(root: Path) -> list[str]:
    """The host groups of the manifests."""
    return _named(root, "HostGroup")


def hosts(root: Path) -> list[str]:
    """The groups and hosts that the inventory's YAML files write out, ranges and all."""
    names: dict[str, None] = {}
    for document in _documents(root / "inventory"):
        for group, members in _items(document):
            _add_group(group, members, names)
    return list(names)


def policies(root: Path) -> list[str]:
    """The policies of a fleet repository, or of the catalogue."""
    return sorted(file.parent.name for file in root.glob("policies/*/policy.yaml"))


def _named(root: Path, kind: str) -> list[str]:
    found = (document.get("metadata", "name") for document in _documents(root / "manifests", kind))
    return sorted({name.value for name in found if name is not None and isinstance(name.value, str)})


def _documents(folder: Path, kind: str | None = None) -> Iterator[Node]:
    for file in sorted((*folder.rglob("*.yaml"), *folder.rglob("*.yml"))):
        for document in read_file(file, file.name, limits=_LIMITS).documents:
            said = document.get("kind")
            if kind is None or (said is not None and said.value == kind):
                yield document


def _add_group(name: str, members: Node, names: dict[str, None]) -> None:
    names[name] = None
    for child, grandchildren in _items(members.get("children")):
        _add_group(child, grandchildren, names)
    names.update(dict.fromkeys(host for host, _ in _items(members.get("hosts"))))


def _items(node: Node | None) -> Iterator[tuple[str, Node]]:
    if node is not None and isinstance(node.value, dict):
        yield from node.items()
