# SPDX-License-Identifier: Apache-2.0
"""Workloads on a real host: what is brought there, what is said of it, and that nothing is left."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from fleetsched.bench.on_host import HostRuns
from fleetsched.errors import RefusedError, UnreachableError, WorkloadError
from fleetsched.model.evidence import Environment
from fleetsched.model.workload import Workload, WorkloadMetric
from fleetsched.transport.interface import Channel, Completed, Connection

ENVIRONMENT = Environment("6.18.15", "x86_64", 4, "CPUs 0-3", 8192, "none", "real", "web-1")
WORKLOAD = Workload("w", ("load", "{{ seed }}"), {"score": WorkloadMetric("1", "maximize", r"score (\d+)")})
SAID = f"""\
exit 0
step
uptime 10.00 15.25
scheduler enabled 3 fair
scheduler enabled 3 fair
output {base64.b64encode(b"score 7").decode()}
"""


class HereConnection(Connection):
    """Runs everything on this machine but the run itself, whose end it says."""

    def __init__(self, said: str | Exception = SAID, code: int = 0, *, restricted: bool = False) -> None:
        self.script = ""
        self.folder: Path | None = None
        self._said = said
        self._code = code
        self._restricted = restricted

    def open(self, command: Sequence[str]) -> Channel:
        raise AssertionError(command)

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> Completed:
        if self._restricted:
            return Completed(1, b'{"id":0,"ok":false}', b"")
        if command[:2] == ("sh", "-eu"):
            file = Path(command[2])
            self.script, self.folder = file.read_text(), file.parent
            if isinstance(self._said, Exception):
                raise self._said
            return Completed(self._code, self._said.encode(), b"sh: \x1b[31mcannot fork\n")
        done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=timeout_s)
        return Completed(done.returncode, done.stdout, done.stderr)

    def close(self) -> None:
        pass


def runs_over(connection: Connection) -> HostRuns:
    return HostRuns(lambda: connection, ENVIRONMENT)


def test_a_run_gives_its_numbers_and_nothing_is_left() -> None:
    connection = HereConnection()
    runs = runs_over(connection)

    runs.prepare(WORKLOAD)
    found = runs.run(WORKLOAD, seed=17, observe=False, limit_s=60)
    assert connection.folder is not None
    assert connection.folder.stat().st_mode & 0o077 == 0
    runs.remove()

    assert (found.metrics, found.seconds) == ({"score": 7.0}, 5.25)
    assert "load 17" in connection.script
    assert str(connection.folder) in connection.script
    assert not connection.folder.exists()


def test_a_restricted_key_is_refused_before_anything_is_brought() -> None:
    with pytest.raises(RefusedError, match="web-1: the key is kept to the helper") as caught:
        runs_over(HereConnection(restricted=True)).prepare(WORKLOAD)

    assert "--seconds" in caught.value.remedy


def test_what_goes_wrong_there_is_said_in_words_that_a_terminal_can_show() -> None:
    runs = runs_over(HereConnection("", code=2))
    runs.prepare(WORKLOAD)

    with pytest.raises(WorkloadError) as caught:
        runs.run(WORKLOAD, seed=1, observe=True, limit_s=60)

    runs.remove()
    assert str(caught.value) == "web-1: a step of the run exited with 2\n  sh:  [31mcannot fork"


def test_a_run_that_does_not_end_is_a_lost_host() -> None:
    runs = runs_over(HereConnection(TimeoutError()))
    runs.prepare(WORKLOAD)

    with pytest.raises(UnreachableError, match="web-1: the run did not end within 60 s"):
        runs.run(WORKLOAD, seed=1, observe=True, limit_s=60)

    runs.remove()
