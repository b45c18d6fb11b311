# SPDX-License-Identifier: Apache-2.0
"""Inventory files, folders and programs to an `Inventory`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetsched.documents.node import Node
from fleetsched.documents.reader import read_file
from fleetsched.errors import Problem
from fleetsched.inventory.connection import Findings
from fleetsched.inventory.dynamic import is_listing, read_listing, run_program
from fleetsched.inventory.groups import GroupReader
from fleetsched.inventory.ini import read_ini
from fleetsched.inventory.tree import Tree
from fleetsched.inventory.variables import FOLDERS, OPAQUE, read_variables
from fleetsched.model.inventory import Inventory

# What Ansible ignores in an inventory folder, too.
_IGNORED = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
_YAML = (".yaml", ".yml", ".json")


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


def read_inventory(paths: Sequence[Path], root: Path, *, run_programs: bool = False) -> InventoryReading:
    """Read inventories and merge them, the later ones over the earlier ones.

    Args:
        paths: files, programs, and folders of them, which are read in ASCII order.
        root: problems name files relative to it where they are below it.
        run_programs: whether somebody vouches for programs among them; else they are a problem.
    """
    findings = Findings()
    source = _Source(Tree(), findings, root, run_programs)
    for path in paths:
        for file in source.files(path):
            source.read(file)
        beside = path if path.is_dir() else path.parent
        source.tree.files.append(read_variables(beside, root, findings))
    inventory = source.tree.inventory(findings)
    return InventoryReading(
        inventory, tuple(sorted(set(findings.problems))), tuple(sorted(set(findings.warnings)))
    )


@dataclass(frozen=True, slots=True)
class _Source:
    tree: Tree
    findings: Findings
    root: Path
    run_programs: bool

    def files(self, path: Path) -> Iterator[Path]:
        """List the inventories of a path."""
        if not path.exists():
            self._problem(path, "no such inventory")
        elif path.is_dir():
            for entry in sorted(path.iterdir(), key=lambda entry: entry.name):
                ignored = entry.name.startswith(".") or entry.name.endswith(_IGNORED)
                if not ignored and not (entry.is_dir() and entry.name in FOLDERS):
                    yield from self.files(entry)
        else:
            yield path

    def read(self, file: Path) -> None:
        """Read one file as what it is."""
        name = shown_path(file, self.root)
        if file.suffix not in _YAML and os.access(file, os.X_OK):
            self._program(file, name)
            return
        if file.suffix not in (*_YAML, ""):
            read_ini(file, name, self.tree, self.findings)
            return
        reading = read_file(file, name, opaque=OPAQUE)
        if not file.suffix and not _is_mapping(reading.documents):
            read_ini(file, name, self.tree, self.findings)
            return
        self.findings.problems.extend(reading.problems)
        for document in reading.documents:
            if is_listing(document, is_json=file.suffix == ".json"):
                read_listing(document, self.tree, self.findings)
            else:
                GroupReader(self.tree, self.findings).read(document)

    def _program(self, file: Path, name: str) -> None:
        if not self.run_programs:
            message = (
                "is a program, and nobody vouches for it: it is run when the revision is approved, or with"
            )
            self._problem(file, f"{message} `-i {name}`")
            return
        listing = run_program(file, name, self.findings)
        if listing is not None:
            read_listing(listing, self.tree, self.findings)

    def _problem(self, path: Path, message: str) -> None:
        self.findings.problems.append(Problem(shown_path(path, self.root), 0, 0, message))


def _is_mapping(documents: tuple[Node, ...]) -> bool:
    return bool(documents) and isinstance(documents[0].value, dict)


def shown_path(path: Path, root: Path) -> str:
    """Name a file as problems do."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
