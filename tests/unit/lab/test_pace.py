# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from fleetsched.lab.monitor import QMP_SOCKET
from fleetsched.lab.pace import OnlyAwaited
from tests.unit.lab.test_monitor import GREETING, peer

DONE = [{"return": {}}]


def test_machine_runs_from_the_first_who_waits_to_the_last(tmp_path: Path) -> None:
    answers = {"qmp_capabilities": DONE, "cont": DONE, "stop": [{"event": "STOP"}, *DONE]}
    with peer(tmp_path, QMP_SOCKET, [GREETING], answers) as came:
        pace = OnlyAwaited(tmp_path)
        assert came == ["qmp_capabilities"]
        with pace.awaited(), pace.awaited():
            assert came[1:] == ["cont"]
        assert came[1:] == ["cont", "stop"]
        with pace.awaited():
            assert came[3:] == ["cont"]
        pace.close()
    assert came[3:] == ["cont", "stop"]


def test_who_waits_for_a_machine_that_has_ended_learns_it_elsewhere(tmp_path: Path) -> None:
    with peer(tmp_path, QMP_SOCKET, [GREETING], {"qmp_capabilities": DONE}):
        pace = OnlyAwaited(tmp_path)
        with pace.awaited():
            pass
        pace.close()
