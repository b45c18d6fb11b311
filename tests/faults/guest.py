# SPDX-License-Identifier: Apache-2.0
"""One lab host, spoken to through the guest agent: SSH connections do not outlive a restored snapshot."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

from fleetsched.errors import LabError
from fleetsched.helper.wire import HELPER_PATH
from fleetsched.lab import snapshots, state
from fleetsched.lab.identity import script_with
from fleetsched.lab.monitor import GuestAgent, Monitor
from fleetsched.lab.state import Lab
from fleetsched.model.state import HistoryEntry, Status
from fleetsched.operations.lab import ssh_command
from tests.faults.judge import Look
from tests.faults.rows import Row

_BOOT_S = 300.0  # 60 to 90 s under TCG
_SCRIPT_S = 180.0
_POLL_S = 0.3
_CONNECTIONS, _SESSIONS = 5, 10
_LIBRARY = Path(__file__).with_name("host.sh").read_text(encoding="utf-8")
_LOOK = """ask '{"id":1,"verb":"status"}' '{"id":2,"verb":"history","limit":200}'
echo "programs $({ cat $group/program/cgroup.procs; pgrep -x program; } 2>/dev/null | wc -l)"
"""


@dataclass(frozen=True)
class Guest:
    """A machine of a lab.

    Attributes:
        lab: with this one machine.
        words: shell variables that every script finds set.
    """

    lab: Lab
    words: Mapping[str, str]

    @property
    def folder(self) -> Path:
        return state.machine_folder(self.lab.folder, self.lab.machines[0].name)

    @contextmanager
    def agent(self, *, timeout_s: float = _BOOT_S) -> Iterator[GuestAgent]:
        with GuestAgent(self.folder, timeout_s=timeout_s) as agent:
            yield agent

    def run(self, script: str, *, timeout_s: float = _SCRIPT_S) -> str:
        """Run a script of the table as root and return what it printed."""
        with self.agent() as agent:
            return agent.run(script_with(self.words, _LIBRARY + script), timeout_s=timeout_s)

    def look(self) -> Look | None:
        """Status and history, or None while the helper does not answer."""
        output = self.run(_LOOK)
        found = answers(output)
        if len(found) != 2 or not all(answer["ok"] for answer in found):
            return None
        state, history = (answer["result"] for answer in found)
        status = Status.from_wire(state)
        held = status.running and status.running.assignment.digest == self.words["PROGRAM_DIGEST"]
        return Look(
            status,
            tuple(map(HistoryEntry.from_wire, history["entries"])),
            stray_program=not held and "programs 0" not in output.splitlines(),
        )

    def save(self, moment: str) -> None:
        snapshots.save(self.folder, moment)

    def restore(self, moment: str) -> None:
        snapshots.restore(self.folder, moment)

    def pause(self) -> None:
        """Until it is restored; what it does between two rows would only slow others down."""
        with Monitor(self.folder) as monitor:
            monitor.command("stop")

    def reset(self) -> None:
        """Cut its power; it boots again."""
        with Monitor(self.folder) as monitor:
            monitor.command("system_reset")

    def sessions(self) -> str:
        """Ask for the status over fifty SSH sessions at once: five connections with ten each, sshd's most."""
        machine = self.lab.machines[0].name
        request = b'{"id":1,"verb":"status"}\n'
        with tempfile.TemporaryDirectory(prefix="ssh-") as sockets, ExitStack() as stack:
            program, *options = ssh_command(self.lab.name, machine, [])
            masters = [
                [program, "-o", f"ControlPath={sockets}/{number}", *options] for number in range(_CONNECTIONS)
            ]
            for master in masters:
                subprocess.run([*master, "-fNM"], check=True, timeout=_SCRIPT_S)
                stack.callback(subprocess.run, [*master, "-O", "exit"], capture_output=True, check=False)
            sessions = [
                subprocess.Popen([*master, f"{HELPER_PATH} rpc"], stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
                for master in masters
                for _ in range(_SESSIONS)
            ]
            said = [session.communicate(request, timeout=_SCRIPT_S)[0].decode() for session in sessions]
        return "".join(said)


def answers(output: str) -> list[dict[str, Any]]:
    """The helper's answers among what a script printed."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line for line in lines if "ok" in line]


def codes(output: str) -> list[str]:
    """What the helper answered, as `ok` or the code of the refusal."""
    return ["ok" if answer["ok"] else answer["error"]["code"] for answer in answers(output)]


def times(output: str) -> dict[str, int]:
    """When the script said `fault`, and `off` if it did, in milliseconds of the host's CLOCK_BOOTTIME."""
    words = (line.split() for line in output.splitlines() if line.startswith(("fault ", "off ")))
    return {word: int(at) for word, at in words}


def wait_for(guest: Guest, row: Row, met: Callable[[Look], bool]) -> Look:
    """Look at the guest until `met` is true of it twice in a row, or the row's time is over: then as it is.

    Raises:
        AssertionError: the helper never answered.
    """
    end = time.monotonic() + row.within_s
    last: Look | None = None
    agreed = False
    while time.monotonic() < end or last is None:
        try:
            look = guest.look()
        except LabError:  # it boots, or is starved
            look = None
        if look is not None:
            if met(look) and agreed:
                return look
            last, agreed = look, met(look)
        if time.monotonic() > end + _BOOT_S:
            raise AssertionError(f"{row.key}: the helper does not answer any more")
        time.sleep(_POLL_S)
    return last
