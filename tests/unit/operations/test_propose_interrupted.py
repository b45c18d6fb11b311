# SPDX-License-Identifier: Apache-2.0
"""`fleetsched propose` that Ctrl-C or SIGTERM ends: what it learnt is kept, and nothing is proposed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import pytest

from fleetsched.__main__ import _as_interrupt
from fleetsched.agent.interface import Candidate
from fleetsched.errors import ExitCode
from fleetsched.lab.processes import machine_processes
from fleetsched.model.evidence import Evidence
from fleetsched.model.gate import Gate, GateFinding
from tests.unit.operations.test_propose import LATENCY, Fleet, fleet, template
from tests.unit.operations.test_propose_measured import Shop, shop
from tests.unit.workbenches import FakeLab

__all__ = ["fleet", "shop", "template"]

STALLS = GateFinding("runnable-task-stall", "a task did not run for 5 s")
SECOND = f"""---
apiVersion: fleetsched/v1
kind: HostGroup
metadata: {{name: others}}
spec:
  hosts: "lab:!lab"
---
apiVersion: fleetsched/v1
kind: WorkloadGoal
metadata: {{name: other-latency}}
spec:
  hostGroup: others
{LATENCY}  rollout: lab
"""


@dataclass
class Interrupting(FakeLab):
    """A lab in which a signal comes during the second measurement."""

    number: signal.Signals = signal.SIGINT

    def measure(self, candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
        if self.measured:
            signal.raise_signal(self.number)
        return super().measure(candidate, repeats, seed, budget_s)


@pytest.fixture
def lab(shop: Shop) -> Interrupting:
    made = Interrupting(stops={"c2": (Gate.STRESS, STALLS)})
    shop.candidates, shop.lab = 3, made
    return made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_search_that_is_interrupted_keeps_what_it_learnt_and_proposes_nothing(
    number: signal.Signals, fleet: Fleet, shop: Shop, lab: Interrupting
) -> None:
    lab.number = number
    before = signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        text = fleet.run("propose", "--offline", code=ExitCode.INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)
    (run,) = shop.runs.iterdir()
    assert text.splitlines()[-1] == (
        f"fleetsched: goal lab-fairness: interrupted; nothing is proposed, and what was learnt is in {run}"
    )
    told = " ".join(text.split())
    for part in (
        "No final comparison: the run was interrupted.",
        "3 candidates, 1 measured on interactive-under-hogs, Linux 6.18, until it was interrupted.",
        "The search was interrupted, so nothing is drafted. The best of the search: interactive ",
        f"all of it: {run}",
    ):
        assert part in told, text
    assert "gate stress: a task did not run for 5 s" in (run / "lessons.yaml").read_text()
    assert (run / "evidence/c1-1.json").is_file()
    assert shop.seeds == []
    assert fleet.run("review", "list") == "no proposals\n"


def test_goals_that_come_later_are_named_and_not_begun(fleet: Fleet, shop: Shop, lab: Interrupting) -> None:
    fleet.commit(("  rollout: lab\n---", f"  rollout: lab\n{SECOND}---"))
    text = fleet.run("propose", "--offline", code=ExitCode.INTERRUPTED)
    assert [each.goal.name for each in shop.tasks] == ["lab-fairness"]
    assert "goal other-latency: not started" in text.splitlines()
    assert "goal lab-fairness: interrupted; nothing is proposed" in text.splitlines()[-1]


def test_a_final_comparison_that_is_interrupted_loses_neither_numbers_nor_lessons(
    fleet: Fleet, shop: Shop
) -> None:
    shop.candidates, shop.finals = 3, {"interactive message-wakeups": 3000.0}
    shop.broken = {"deadline message-wakeups": KeyboardInterrupt()}
    text = fleet.run("propose", "--offline", code=ExitCode.INTERRUPTED)
    (run,) = shop.runs.iterdir()
    assert text.splitlines()[-1].endswith(
        f"interrupted; nothing is proposed, and what was learnt is in {run}"
    )
    told = " ".join(text.split())
    assert "not proposed: deadline (its defaults): message-wakeups: interrupted" in told, text
    assert '3 candidates stood in line, the best of the search first; compared: 2. "better"' in told, text
    assert sorted(file.name for file in run.glob("final-*.json")) == [
        "final-2-interactive-under-hogs.json",
        "final-interactive-under-hogs.json",
        "final-message-wakeups.json",
    ]
    assert '"outcome": "worse"' in (run / "lessons.yaml").read_text()
    assert fleet.run("review", "list") == "no proposals\n"


def test_a_backend_that_does_not_end_by_itself_is_ended_all_the_same(fleet: Fleet, shop: Shop) -> None:
    def leave(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    shop.choose = leave
    text = fleet.run("propose", "--offline", code=ExitCode.INTERRUPTED)
    (run,) = shop.runs.iterdir()
    assert text.splitlines()[-1].endswith(f"what was learnt is in {run}")
    assert (run / "lessons.yaml").is_file()


def test_who_interrupts_the_opening_is_told_where_to_look(
    fleet: Fleet, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("fleetsched.forge.local.LocalForge.open", leave)
    text = fleet.run("propose", "--offline", code=ExitCode.INTERRUPTED)
    (run,) = shop.runs.iterdir()
    assert text.splitlines()[-1] == (
        "fleetsched: goal lab-fairness: interrupted while it was being proposed; `fleetsched review list` "
        f"says whether it is, and what was learnt is in {run}"
    )
    assert '"outcome": "better"' in (run / "lessons.yaml").read_text()


PROCESS = """
import signal, subprocess, sys
from pathlib import Path

from fleetsched.lab.guard import Guard
from fleetsched.lab.processes import machine_processes
from fleetsched.operations import workshop
from tests.unit.operations.test_propose_measured import Shop
from tests.unit.workbenches import FakeLab

runs, machine, stubborn = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "stubborn"

class Hanging(FakeLab):
    def measure(self, *asked):
        if not self.measured:
            return super().measure(*asked)
        machine.mkdir()
        (machine / "disk").touch()
        with Guard(machine):
            command = ["qemu-system-fake", "-f", str(machine / "disk")]
            subprocess.Popen(command, executable="tail", start_new_session=True)
            while not machine_processes(machine):  # in the midst of its exec it has no arguments
                pass
            try:
                print("measuring", file=sys.stderr, flush=True)
                signal.pause()
            finally:
                if stubborn:
                    print("ending", file=sys.stderr, flush=True)
                    signal.pause()

workshop.lab_workshop = Shop(runs, candidates=3, lab=Hanging()).open
sys.argv[1:] = ["propose", "--offline"]
from fleetsched.__main__ import run
run()
"""


def heard(stream: IO[str], wanted: str) -> str:
    """The lines of a stream up to one."""
    lines = []
    for line in stream:
        lines.append(line)
        if line == f"{wanted}\n":
            return "".join(lines)
    pytest.fail(f"it never said {wanted}: {''.join(lines)}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["obedient", "stubborn"])
def test_neither_machines_nor_processes_outlive_an_interrupted_run(
    kind: str, number: signal.Signals, fleet: Fleet, tmp_path: Path
) -> None:
    root = Path(__file__).parents[3]
    machine = tmp_path / "machine"
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(tmp_path / "runs"), str(machine), kind],
        cwd=fleet.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stderr is not None
        try:
            heard(process.stderr, "measuring")
            assert machine_processes(machine)
            process.send_signal(number)
            if kind == "stubborn":
                heard(process.stderr, "ending")
                process.send_signal(number)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    (run,) = (tmp_path / "runs").iterdir()
    assert process.returncode == ExitCode.INTERRUPTED, said
    assert said.splitlines()[-1].endswith(f"nothing is proposed, and what was learnt is in {run}")
    assert (run / "lessons.yaml").is_file()
    assert machine_processes(machine) == []
    assert not machine.exists()
