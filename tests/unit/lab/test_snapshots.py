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


def test_a_machine_stands_still_while_its_moment_is_kept(tmp_path: Path) -> None:
    answers = {**ANSWERS, "human-monitor-command": [{"return": ""}]}
    with peer(tmp_path / "lab-1", QMP_SOCKET, [GREETING], answers) as came:
        snapshots.save(tmp_path / "lab-1", "before")
    assert came == ["qmp_capabilities", "stop", "human-monitor-command", "cont"]


def test_what_qemu_complains_of_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "lab-1"
    said = "Error: No block device can accept snapshots\r\n"
    answers = {**ANSWERS, "human-monitor-command": [{"return": said}]}
    with peer(folder, QMP_SOCKET, [GREETING], answers), pytest.raises(LabError) as told:
        snapshots.save(folder, "before")
    assert str(told.value) == f"lab-1: savevm before: {said.strip()}"


def test_what_does_not_run_has_no_moments_to_go_back_to(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="lab-1: the machine does not run"):
        snapshots.restore(tmp_path / "lab-1", "before")
