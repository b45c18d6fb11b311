# SPDX-License-Identifier: Apache-2.0
"""What is recorded about a lab, and deleting all of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from fleetsched.lab.inventory import is_inventory_of
from fleetsched.lab.paths import lab_folder, state_folder
from fleetsched.lab.processes import kill_machines

_RECORD = "lab.json"


class Stage(StrEnum):
    """How far `up` came."""

    STARTING = "starting"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Machine:
    """One host of a lab; its SSH server answers at `port` of 127.0.0.1."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab.

    Args:
        name: unique for this user.
        stage: `starting` until every host answers.
        kernel: the hosts' release, as `uname -r` says it.
        accelerator: `kvm` or `tcg`.
        machines: in the order of their numbers.
        inventory: the inventory written outside the lab's own folder, if any.
    """

    name: str
    stage: Stage
    kernel: str
    accelerator: str
    machines: tuple[Machine, ...]
    inventory: Path | None

    @property
    def folder(self) -> Path:
        """Everything that belongs to this lab and to nothing else."""
        return lab_folder(self.name)


def machine_folder(folder: Path, machine: str) -> Path:
    """The folder of one machine of the lab in `folder`."""
    return folder / "hosts" / machine


def key_file(folder: Path) -> Path:
    """The private key that opens the hosts of the lab in `folder`, and nothing else."""
    return folder / "id_ed25519"


def lock_file(name: str) -> Path:
    """Locked by whoever changes the lab of this name."""
    return state_folder() / f".{name}.lock"


def save(lab: Lab) -> None:
    """Record the lab, whole or not at all."""
    record = {**asdict(lab), "inventory": str(lab.inventory) if lab.inventory else None}
    unfinished = lab.folder / f"{_RECORD}.new"
    unfinished.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(lab.folder / _RECORD)


def load(name: str) -> Lab | None:
    """The lab of this name, or None when there is no record of one."""
    try:
        record = json.loads((lab_folder(name) / _RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Lab(
        name=record["name"],
        stage=Stage(record["stage"]),
        kernel=record["kernel"],
        accelerator=record["accelerator"],
        machines=tuple(Machine(**machine) for machine in record["machines"]),
        inventory=Path(record["inventory"]) if record["inventory"] else None,
    )


def names() -> list[str]:
    """The labs of which anything is left, in order."""
    if not state_folder().is_dir():
        return []
    entries = list(state_folder().iterdir())
    folders = {entry.name for entry in entries if entry.is_dir()}
    return sorted(folders | {entry.stem[1:] for entry in entries if entry.suffix == ".lock"})


def sweep(folder: Path) -> None:
    """End every machine of `folder` and delete it, and the inventory that it wrote elsewhere.

    Raises:
        LabError: a machine does not end.
    """
    kill_machines(folder)
    lab = load(folder.name) if folder.parent == state_folder() else None
    if lab and lab.inventory and is_inventory_of(folder, lab.inventory):
        lab.inventory.unlink()
    shutil.rmtree(folder, ignore_errors=True)
