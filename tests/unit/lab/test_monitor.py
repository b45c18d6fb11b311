# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetsched.errors import LabError
from fleetsched.lab.monitor import AGENT_SOCKET, CONSOLE_LOG, QMP_SOCKET, GuestAgent, Monitor, last_words

GREETING = {"QMP": {"version": {}, "capabilities": []}}


@contextmanager
def peer(folder: Path, name: str, greeting: list[Any], answers: dict[str, list[Any]]) -> Iterator[list[str]]:
    """The other end of a machine's socket: for each command it sends what stands in `answers`, and hangs up
    at a command that is not there. Yields the commands that came.
    """
    folder.mkdir(exist_ok=True)
    came: list[str] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as lines:
            for message in greeting:
                connection.sendall(json.dumps(message).encode() + b"\n")
            for line in lines:
                request = json.loads(line.lstrip(b"\xff"))
                came.append(request["execute"])
                if came[-1] not in answers:
                    return
                for answer in answers[came[-1]]:
                    text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                    connection.sendall(text + b"\n")

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / name))
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield came
        thread.join(30)
    assert not thread.is_alive()


def test_monitor_passes_over_events(tmp_path: Path) -> None:
    answers = {
        "qmp_capabilities": [{"return": {}}],
        "query-status": [{"event": "RESUME"}, {"return": {"status": "running"}}],
    }
    with peer(tmp_path, QMP_SOCKET, [GREETING], answers) as came, Monitor(tmp_path) as monitor:
        assert monitor.command("query-status") == {"status": "running"}
    assert came == ["qmp_capabilities", "query-status"]


def test_refusal_names_machine_command_and_reason(tmp_path: Path) -> None:
    answers = {
        "qmp_capabilities": [{"return": {}}],
        "migrate": [{"error": {"class": "X", "desc": "no space"}}],
    }
    folder = tmp_path / "lab-1"
    with (
        peer(folder, QMP_SOCKET, [GREETING], answers),
        Monitor(folder) as monitor,
        pytest.raises(LabError) as caught,
    ):
        monitor.command("migrate", uri="exec:cat")
    assert str(caught.value) == "lab-1: migrate: no space"


def test_machine_that_ends_shows_the_end_of_its_console(tmp_path: Path) -> None:
    folder = tmp_path / "lab-1"
    folder.mkdir()
    (folder / CONSOLE_LOG).write_text("\x1b[2J\x1b[1;31mearly\x1b[0m\r\n\r\nKernel panic - not syncing\r\n")
    with (
        peer(folder, QMP_SOCKET, [GREETING], {"qmp_capabilities": [{"return": {}}]}),
        Monitor(folder) as monitor,
        pytest.raises(LabError) as caught,
    ):
        monitor.command("cont")
    assert str(caught.value) == (
        "lab-1: the machine ended\n  The end of its console:\n  early\n  Kernel panic - not syncing"
    )


def test_machine_that_never_was_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        Monitor(tmp_path)
    assert str(caught.value) == f"{tmp_path.name}: the machine does not answer: No such file or directory"


def test_agent_drops_what_it_said_to_an_earlier_caller_and_returns_the_output(tmp_path: Path) -> None:
    answers = {
        "guest-sync-delimited": [{"return": 99}, b'garbage"\xff{"return": 1}'],
        "guest-exec": [{"return": {"pid": 7}}],
        "guest-exec-status": [
            {"return": {"exited": True, "exitcode": 0, "out-data": base64.b64encode(b"done\n").decode()}}
        ],
    }
    with peer(tmp_path, AGENT_SOCKET, [], answers), GuestAgent(tmp_path, timeout_s=30) as agent:
        assert agent.run("echo done", timeout_s=30) == "done\n"


def test_script_that_fails_in_the_guest_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "lab-1"
    answers = {
        "guest-sync-delimited": [{"return": 1}],
        "guest-exec": [{"return": {"pid": 7}}],
        "guest-exec-status": [
            {"return": {"exited": True, "exitcode": 1, "err-data": base64.b64encode(b"no ssh\n").decode()}}
        ],
    }
    with (
        peer(folder, AGENT_SOCKET, [], answers),
        GuestAgent(folder, timeout_s=30) as agent,
        pytest.raises(LabError) as caught,
    ):
        agent.run("false", timeout_s=30)
    assert str(caught.value) == "lab-1: readying the guest failed: no ssh"


def test_quit_waits_until_the_machine_hangs_up(tmp_path: Path) -> None:
    answers = {"qmp_capabilities": [{"return": {}}]}
    with peer(tmp_path, QMP_SOCKET, [GREETING], answers) as came, Monitor(tmp_path) as monitor:
        monitor.quit(timeout_s=30)
        assert came == ["qmp_capabilities", "quit"]


def test_machine_that_does_not_quit_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "lab-1"
    answers = {"qmp_capabilities": [{"return": {}}], "quit": [{"return": {}}]}
    with (
        peer(folder, QMP_SOCKET, [GREETING], answers),
        Monitor(folder) as monitor,
        pytest.raises(LabError, match="lab-1: does not end when told to"),
    ):
        monitor.quit(timeout_s=0.2)


def test_reason_of_a_panic_is_its_last_word(tmp_path: Path) -> None:
    log = "[1.0] all is well\n[2.0] Kernel panic - not syncing: no init\n[2.1] RSP: 002b\n"
    (tmp_path / CONSOLE_LOG).write_text(log)
    assert last_words(tmp_path) == (
        "The end of its console:\n  [1.0] all is well\n  [2.0] Kernel panic - not syncing: no init"
    )
