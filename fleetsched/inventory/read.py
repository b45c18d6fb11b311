# SPDX-License-Identifier: Apache-2.0
"""Inventory files, folders and programs to an `Inventory`."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetsched.documents.reader import Reading
from fleetsched.errors import Problem
from fleetsched.inventory import text
from fleetsched.inventory.connection import Findings
from fleetsched.inventory.groups import GroupReader
from fleetsched.inventory.ini import read_ini
from fleetsched.inventory.listing import is_listing, read_listing
from fleetsched.inventory.programs import read_program
from fleetsched.inventory.tree import Tree
from fleetsched.inventory.variables import FOLDERS, read_variables, shown_path
from fleetsched.model.inventory import Inventory

# What Ansible ignores in an inventory folder, too.
_IGNORED = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
_NO_INVENTORIES = (*FOLDERS, "vars_plugins")
_YAML = (".yaml", ".yml", ".json")
_SAVE_LISTING = "save `ansible-inventory --list --yaml` as a file"


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
    for path in paths:
        beside = path if path.is_dir() else path.parent
        source.tree.files.append(read_variables(beside, root, source.tree, findings))
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

    def files(self, path: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
        """List the inventories of a path, which lies in the folders `above`."""
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            self._problem(path, "no such inventory")
        except OSError as error:
            self._problem(path, f"cannot be read: {error.strerror or error}")
        else:
            if stat.S_ISDIR(mode):
                yield from self._folder(path, above)
            elif stat.S_ISREG(mode):
                yield path
            else:
                self._problem(path, "is neither a file nor a folder")

    def _folder(self, folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
        if folder.resolve() in above:
            self._problem(folder, "is a link to a folder that it lies in")
            return
        try:
            entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
        except OSError as error:
            self._problem(folder, f"cannot be read: {error.strerror or error}")
            return
        for entry in entries:
            ignored = entry.name.startswith(".") or entry.name.endswith(_IGNORED)
            if not ignored and entry.name not in _NO_INVENTORIES:
                yield from self.files(entry, (*above, folder.resolve()))

    def read(self, file: Path) -> None:
        """Read one file as what it is."""
        try:
            self._read(file, text.start_of(file), shown_path(file, self.root))
        except OSError as error:
            self._problem(file, f"cannot be read: {error.strerror or error}")

    def _read(self, file: Path, start: bytes, name: str) -> None:
        is_program = text.is_script(start) or text.is_binary(start)
        if is_program and os.access(file, os.X_OK):
            self._program(file, name)
        elif text.is_script(start) and file.suffix not in _YAML:
            self._problem(file, "begins with `#!` but is not executable: make it so with `chmod +x`")
        elif text.is_encrypted(start):
            self._problem(file, f"is encrypted by ansible-vault: decrypt it, or {_SAVE_LISTING}")
        elif file.suffix == ".toml":
            self._problem(file, f"inventories in TOML are not read: {_SAVE_LISTING}")
        elif file.suffix not in (*_YAML, ""):
            read_ini(file, name, self.tree, self.findings)
        else:
            reading = text.read_values(file, name)
            if file.suffix or text.means_yaml(start) or _has_groups(reading):
                self._groups(reading, is_json=file.suffix == ".json")
            else:
                read_ini(file, name, self.tree, self.findings)

    def _groups(self, reading: Reading, *, is_json: bool) -> None:
        self.findings.problems.extend(reading.problems)
        for document in reading.documents:
            if is_listing(document, is_json=is_json):
                read_listing(document, self.tree, self.findings)
            else:
                GroupReader(self.tree, self.findings).read(document)

    def _program(self, file: Path, name: str) -> None:
        if self.run_programs:
            read_program(file, name, self.tree, self.findings)
            return
        message = "is a program, and nobody vouches for it: it is run when the revision is approved, or with"
        self._problem(file, f"{message} `-i {name}`")

    def _problem(self, path: Path, message: str) -> None:
        self.findings.problems.append(Problem(shown_path(path, self.root), 0, 0, message))


def _has_groups(reading: Reading) -> bool:
    return bool(reading.documents) and isinstance(reading.documents[0].value, dict)
