# SPDX-License-Identifier: Apache-2.0
"""A fleet repository on a bare remote, simulated hosts, and the reconciler's real loop over them."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fleetsched.fleetrepo.load import load_fleet
from fleetsched.fleetrepo.revision import Revision
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.controller import Controller as Settings
from fleetsched.model.controller import ForgeAccess, Trust
from fleetsched.model.cycle import Cycle, Event
from fleetsched.operations.catalogue import add_policy
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.init import init
from fleetsched.reconcile import child
from fleetsched.reconcile.loop import GitWork, Loop
from fleetsched.reconcile.memory import Memory, StateFolder
from fleetsched.rollout.run import HostEvent, StopRequest
from tests.unit.git_repository import git
from tests.unit.rollout.test_engine import HELPER

NAMES = ("lab-1", "lab-2", "lab-3")
MANIFEST = "manifests/lab.yaml"


@dataclass
class Diary:
    """A watcher that notes everything; `on_word` is called when a host reports a word."""

    progress_of: list[HostEvent] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    cycles: list[Cycle] = field(default_factory=list)
    unpublished_for: list[str] = field(default_factory=list)
    on_word: dict[str, Callable[[], None]] = field(default_factory=dict)

    def began(self, at: str) -> None:
        pass

    def progress(self, event: HostEvent) -> None:
        self.progress_of.append(event)
        self.on_word.get(event.word, lambda: None)()

    def ended(self, cycle: Cycle, subject: str, new: Sequence[Event]) -> None:
        self.cycles.append(cycle)
        self.events += new

    def unpublished(self, why: str) -> None:
        self.unpublished_for.append(why)

    def words(self, word: str) -> list[str]:
        """The hosts that reported this word, in order."""
        return [event.host for event in self.progress_of if event.word == word]


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class ReconciledFleet:
    """Everything of one scenario. `folder` is somebody's checkout, `remote` the bare repository."""

    home: Path
    hosts: dict[str, SimulatedHost]
    trust: Trust
    diary: Diary = field(default_factory=Diary)
    clock: Clock = field(default_factory=Clock)

    @property
    def folder(self) -> Path:
        return self.home / "fleet"

    @property
    def remote(self) -> Path:
        return self.home / "origin.git"

    def loop(self, state: str = "state", stop: StopRequest | None = None) -> Loop:
        """A reconciler, as a new process would make it."""
        folder = StateFolder(self.home / state)
        return Loop(
            folder,
            self.trust,
            lambda revision: self.access(folder, revision),
            60.0,
            [self.diary],
            Memory(folder.path),
            ForgeAccess(),
            stop or StopRequest(),
            GitWork(fetch_here, publish_here),
            self.clock,
            queue.SimpleQueue(),
        )

    def access(self, state: StateFolder, revision: Revision) -> FleetAccess:
        root = state.repository
        transport: Any = SimulatedTransport(self.hosts)
        return FleetAccess(root, load_fleet(root), revision, Settings(), transport, lambda arch: HELPER, 4)

    def commit(self, *replaced: tuple[str, str], file: str = MANIFEST) -> str:
        """Change a file and push it to the trusted branch; return the commit."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
        git(self.folder, "commit", "-qam", "change")
        git(self.folder, "push", "-q", "origin", "HEAD:main")
        return git(self.folder, "rev-parse", "HEAD")

    def ops(self) -> dict[str, str | None]:
        return {name: host.kernel.ops for name, host in self.hosts.items()}

    def trials(self) -> dict[str, int]:
        """How often each host was made to try something."""
        return {name: host.disk.trials for name, host in self.hosts.items()}

    def slices(self) -> dict[str, int | None]:
        """The parameter slice_us of each host's last known good."""
        records = {name: host.disk.last_known_good for name, host in self.hosts.items()}
        return {
            name: record["assignment"]["parameters"]["slice_us"] if record else None
            for name, record in records.items()
        }

    def notes(self, commit: str) -> list[dict[str, Any]]:
        """The lines of a commit's note on the remote."""
        said = git(self.remote, "notes", "--ref=fleetsched", "show", commit)
        return [json.loads(line) for line in said.splitlines() if line]


def pass_time(fleet: ReconciledFleet, seconds: int) -> None:
    """Let time pass on every host."""
    for host in fleet.hosts.values():
        with host.lock:
            host.clock.advance(seconds * 1000)
            host.settle()


def fetch_here(folder: Path, trust: Trust) -> tuple[Revision, str]:
    """What the child does, in this process."""
    answer = _perform("fetch", folder, trust, {})
    return Revision(answer["commit"], tuple(answer["objections"])), answer["subject"]


def publish_here(folder: Path, trust: Trust, forge: ForgeAccess, given: Mapping[str, Any]) -> None:
    """What the child does, in this process."""
    _perform("publish", folder, trust, {"forge": asdict(forge), **given})


def _perform(work: str, folder: Path, trust: Trust, given: Mapping[str, Any]) -> dict[str, Any]:
    request = {"work": work, "folder": str(folder), "trust": asdict(trust), "given": given}
    answer = child.perform(json.loads(json.dumps(request)))
    if "error" in answer:
        raise child.GitFailedError(answer["error"], remedy=answer["remedy"])
    return answer


def write_fleet(home: Path) -> None:
    """A fleet repository with three hosts in its inventory, and its bare origin."""
    init(home / "fleet")
    add_policy(home / "fleet", "interactive")
    lines = "".join(f"        {name}:\n" for name in NAMES)
    inventory = home / "fleet" / "inventory" / "groups.yaml"
    inventory.write_text(f"all:\n  children:\n    lab:\n      hosts:\n{lines}", encoding="utf-8")
    git(home, "init", "-q", "--bare", "-b", "main", "origin.git")
    git(home / "fleet", "add", "-A")
    git(home / "fleet", "commit", "-qm", "first")
    git(home / "fleet", "remote", "add", "origin", "../origin.git")
    git(home / "fleet", "push", "-q", "-u", "origin", "HEAD:main")
