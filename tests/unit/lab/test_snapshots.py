# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleetsched.errors import LabError
from fleetsched.lab import snapshots
from fleetsched.lab.monitor import QMP_SOCKET
from tests.unit.lab.test_monitor import GREETING, peer

DONE: list[Any] = [{"return": {}}]
ANSWERS = {"qmp_capabilities": DONE, "stop": DONE, "cont": DONE}


def test_a_machine_stands_still_while_its_moment_is_kept_or_restored(tmp_path: Path) -> None:
    for act in (snapshots.save, snapshots.restore):
        folder = tmp_path / act.__name__
        answers = {**ANSWERS, "human-monitor-command": [{"return": ""}]}
        with peer(folder, QMP_SOCKET, [GREETING], answers) as came:
            act(folder, "before")
        assert came == ["qmp_capabilities", "stop", "human-monitor-command", "cont"]


def test_what_qemu_complains_of_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "lab-1"
    said = "Error: Snapshot 'before' does not exist in one or more devices\r\n"
    answers = {**ANSWERS, "human-monitor-command": [{"return": said}]}
    with peer(folder, QMP_SOCKET, [GREETING], answers), pytest.raises(LabError) as told:
        snapshots.restore(folder, "before")
    assert str(told.value) == f"lab-1: loadvm before: {said.strip()}"
