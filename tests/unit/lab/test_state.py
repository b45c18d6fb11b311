# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetsched.lab import labs, state
from fleetsched.lab.inventory import inventory_text, write_inventory
from fleetsched.lab.labs import Health, LabStatus
from fleetsched.lab.processes import kill_machines, machine_process, machine_processes
from fleetsched.lab.state import Lab, Machine, Stage


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "fleetsched" / "lab" / "spare"


def a_lab(stage: Stage, inventory: Path | None = None) -> Lab:
    machines = (Machine("lab-1", 20022), Machine("lab-2", 20023))
    return Lab("spare", stage, "7.2.12+deb13-cloud-amd64", "tcg", machines, inventory)


def recorded(lab: Lab) -> Lab:
    lab.folder.mkdir(parents=True)
    state.save(lab)
    return lab


@contextmanager
def stand_in(folder: Path, machine: str) -> Iterator[int]:
    """A process that looks like the machine's QEMU from outside."""
    own = state.machine_folder(folder, machine)
    own.mkdir(parents=True)
    code = "import sys; print(flush=True); sys.stdin.read()"
    argv = ["qemu-system-x86_64", "-c", code, "-pidfile", str(own / "pid")]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, executable=sys.executable, stdin=pipe, stdout=pipe) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    lab = recorded(a_lab(Stage.UP, tmp_path / "lab.yaml"))
    assert state.load("spare") == lab
    assert state.names() == ["spare"]


def test_machine_is_found_and_ended_by_the_folder_in_its_command_line(folder: Path) -> None:
    with stand_in(folder, "lab-1") as pid:
        own = state.machine_folder(folder, "lab-1")
        assert machine_process(own) == pid
        assert machine_processes(folder) == [pid]
        assert machine_processes(folder.with_name("spare-2")) == []
        assert machine_processes(state.machine_folder(folder, "lab-10")) == []
        kill_machines(folder)
        assert machine_process(own) is None


def test_program_that_only_mentions_the_folder_is_no_machine(folder: Path) -> None:
    argv = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", str(folder / "pid")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert machine_processes(folder) == []


def test_lab_with_a_dead_machine_is_broken(folder: Path) -> None:
    lab = recorded(a_lab(Stage.UP))
    with stand_in(folder, "lab-2") as pid:
        assert labs.look("spare") == LabStatus(lab, Health.BROKEN, (None, pid))


def test_unfinished_lab_whose_starter_lives_is_left_alone(folder: Path) -> None:
    lab = recorded(a_lab(Stage.STARTING))
    starter = labs.try_lock(state.lock_file("spare"))
    assert starter is not None
    assert labs.look("spare") == LabStatus(lab, Health.STARTING, (None, None))
    with pytest.raises(labs.LabError) as caught:
        labs.take_down("spare")
    assert str(caught.value) == (
        "lab spare is being started or taken down by another process\n"
        "  Wait for it, or end it with Ctrl-C where it runs: it cleans up after itself."
    )
    labs.release(state.lock_file("spare"), starter)


def test_what_a_killed_starter_has_left_is_deleted_by_a_look(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "fleet" / "inventory" / "lab.yaml"
    recorded(a_lab(Stage.STARTING, target))
    write_inventory(folder, target, inventory_text(folder, {}, folder / "key"))
    with stand_in(folder, "lab-1"):
        assert labs.look("spare") is None
        assert machine_processes(folder) == []
    assert list(folder.parent.iterdir()) == []
    assert list(target.parent.iterdir()) == []


def test_down_deletes_the_inventory_it_wrote_and_no_other(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "lab.yaml"
    target.write_text("mine: {}\n")
    recorded(a_lab(Stage.UP, target))
    assert labs.take_down("spare") is True
    assert labs.take_down("spare") is False
    assert list(folder.parent.iterdir()) == []
    assert target.read_text() == "mine: {}\n"
