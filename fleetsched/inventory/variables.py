# SPDX-License-Identifier: Apache-2.0
"""The folders `group_vars` and `host_vars` beside an inventory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from fleetsched.documents.node import Node, shown
from fleetsched.errors import Problem
from fleetsched.inventory.connection import Findings
from fleetsched.inventory.text import is_encrypted, read_values, start_of
from fleetsched.inventory.tree import Tree, VariableFiles

FOLDERS = ("group_vars", "host_vars")
_SUFFIXES = ("", ".yml", ".yaml", ".json")  # the first that is there is taken, as in Ansible


def read_variables(beside: Path, root: Path, tree: Tree, findings: Findings) -> VariableFiles:
    """Read what both folders have for the groups and hosts of the tree; nothing else there is looked at.

    Problems name files relative to `root`.
    """
    reader = _Reader(root, findings)
    return VariableFiles(
        reader.folder(beside / "group_vars", tree.groups), reader.folder(beside / "host_vars", tree.hosts)
    )


class _Reader:
    def __init__(self, root: Path, findings: Findings) -> None:
        self.root = root
        self.findings = findings

    def folder(self, folder: Path, names: Iterable[str]) -> dict[str, dict[str, Node]]:
        """Read the variables of each name that has any."""
        try:
            there = {entry.name: entry for entry in folder.iterdir()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            self._problem(folder, error)
            return {}
        found: dict[str, dict[str, Node]] = {}
        for name in names if there else ():
            path = next((there[name + suffix] for suffix in _SUFFIXES if name + suffix in there), None)
            if path is not None:
                found[name] = self._all_of(path)
        return found

    def _all_of(self, path: Path) -> dict[str, Node]:
        variables: dict[str, Node] = {}
        try:
            for file in _below(path) if path.is_dir() else (path,):
                variables.update(self._read(file))
        except OSError as error:
            self._problem(path, error)
        return variables

    def _problem(self, path: Path, error: OSError) -> None:
        message = f"cannot be read: {error.strerror or error}"
        self.findings.problems.append(Problem(shown_path(path, self.root), 0, 0, message))

    def _read(self, file: Path) -> dict[str, Node]:
        name = shown_path(file, self.root)
        if is_encrypted(start_of(file)):
            message = "is encrypted by ansible-vault: its variables are not known here"
            self.findings.warnings.append(Problem(name, 0, 0, message))
            return {}
        reading = read_values(file, name)
        self.findings.problems.extend(reading.problems)
        for document in reading.documents:
            if isinstance(document.value, dict):
                return dict(document.items())
            message = f"expected variables by name, got {shown(document.value)}"
            self.findings.problems.append(document.problem(message))
        return {}


def _below(folder: Path) -> Iterator[Path]:
    """List the files of a folder that hold variables, as Ansible chooses and orders them."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        if entry.is_dir():
            yield from _below(entry) if not entry.suffix else ()
        elif entry.suffix in _SUFFIXES:
            yield entry


def shown_path(path: Path, root: Path) -> str:
    """Name a file as problems do."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
