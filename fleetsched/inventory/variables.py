# SPDX-License-Identifier: Apache-2.0
"""The folders `group_vars` and `host_vars` beside an inventory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fleetsched.documents.node import Node, shown
from fleetsched.documents.reader import read_file
from fleetsched.errors import Problem
from fleetsched.inventory.connection import Findings
from fleetsched.inventory.tree import VariableFiles

# Both may stand in an inventory that we read without needing them; see connection.py for those that we need.
OPAQUE = frozenset({"!vault", "!unsafe"})
FOLDERS = ("group_vars", "host_vars")
_SUFFIXES = ("", ".yml", ".yaml", ".json")  # the first that is there is taken, as in Ansible
_VAULT = b"$ANSIBLE_VAULT;"


def read_variables(beside: Path, root: Path, findings: Findings) -> VariableFiles:
    """Read every file of both folders; problems name files relative to `root`."""
    found = VariableFiles()
    for folder, variables in (("group_vars", found.groups), ("host_vars", found.hosts)):
        for name in _names(beside / folder):
            for file in _files(beside / folder, name):
                variables.setdefault(name, {}).update(_read(file, root, findings))
    return found


def _names(folder: Path) -> list[str]:
    """The groups or hosts that a folder has files for."""
    entries = folder.iterdir() if folder.is_dir() else ()
    names = set()
    for entry in entries:
        if not _is_ignored(entry):
            suffix = entry.suffix if entry.suffix in _SUFFIXES and not entry.is_dir() else ""
            names.add(entry.name.removesuffix(suffix))
    return sorted(names)


def _files(folder: Path, name: str) -> Iterator[Path]:
    for suffix in _SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.is_dir():
            yield from _below(path)
            return
        if path.is_file():
            yield path
            return


def _below(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if _is_ignored(entry):
            continue
        if entry.is_dir():
            yield from _below(entry)
        elif entry.suffix in _SUFFIXES:
            yield entry


def _is_ignored(entry: Path) -> bool:
    return entry.name.startswith(".") or entry.name.endswith("~")


def _read(file: Path, root: Path, findings: Findings) -> dict[str, Node]:
    name = str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
    try:
        with file.open("rb") as stream:
            encrypted = stream.read(len(_VAULT)) == _VAULT
    except OSError as error:
        findings.problems.append(Problem(name, 0, 0, f"cannot be read: {error.strerror or error}"))
        return {}
    if encrypted:
        message = "is encrypted by ansible-vault: its variables are not known here"
        findings.warnings.append(Problem(name, 0, 0, message))
        return {}
    reading = read_file(file, name, opaque=OPAQUE)
    findings.problems.extend(reading.problems)
    variables: dict[str, Node] = {}
    for document in reading.documents:
        if isinstance(document.value, dict):
            variables.update(document.items())
        else:
            message = f"expected variables by name, got {shown(document.value)}"
            findings.problems.append(document.problem(message))
    return variables
