# SPDX-License-Identifier: Apache-2.0
"""What the reconciler keeps in its state folder, so that its own death loses nothing that people are told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fleetsched.files import replace_file
from fleetsched.model.cycle import Event, Kind
from fleetsched.model.state import Held
from fleetsched.secrets import redact, redact_values

MOST_EVENTS = 500
_MOST_PENDING = 100
_MOST_JOURNALS = 500


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Where each thing is in the state folder, which no other process uses."""

    path: Path

    @property
    def repository(self) -> Path:
        """The clone."""
        return self.path / "repository"

    @property
    def journals(self) -> Path:
        """The journals of runs."""
        return self.path / "runs"

    @property
    def snapshot(self) -> Path:
        """What hosts said last, as it is pushed."""
        return self.path / "state.json"


def prune(journals: Path) -> None:
    """Remove all journals but the newest."""
    for file in sorted(journals.glob("*.jsonl"))[:-_MOST_JOURNALS]:
        with suppress(OSError):  # it is tidied up again after the next run
            file.unlink()


class Memory:
    """Events, what is still to be published of them, and which lasting ones were told already.

    What cannot be written is known nevertheless until this process ends, and written with what comes next.

    Args:
        folder: made when it is not there.

    Attributes:
        unwritten: why the newest of it is not on disk; empty = it is.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "memory.json"
        self.unwritten = ""
        value = self._read()
        self.events: tuple[Event, ...] = tuple(map(_event, value.get("events", ())))
        self.pending: tuple[dict[str, Any], ...] = tuple(value.get("pending", ()))
        self.held: dict[str, tuple[Held, ...]] = {
            host: tuple(map(Held.from_wire, wires)) for host, wires in value.get("held", {}).items()
        }
        self.trials: dict[str, str] = dict(value.get("trials", {}))
        self._lasting: set[tuple[str, ...]] = {tuple(key) for key in value.get("lasting", ())}

    def _read(self) -> dict[str, Any]:
        try:
            value = json.loads(self._file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}  # a power cut can leave half of it: it is a help, and hosts are what decides
        return value if isinstance(value, dict) else {}

    def remember(self, held: Mapping[str, tuple[Held, ...]], trials: Mapping[str, str]) -> None:
        """Keep what hosts hold, for when they cannot be asked, and whose trials they were seen on."""
        if (held, trials) != (self.held, self.trials):
            self.held, self.trials = dict(held), dict(trials)
            self._write()

    def learn(self, events: Sequence[Event], *, whole: bool) -> list[Event]:
        """Take a cycle's events; return those that are new, without secrets.

        Args:
            events: all of them.
            whole: whether the cycle came to its end, so that a lasting one that is missing is over.
        """
        clean = [replace(event, text=redact(event.text)) for event in events]
        new = [event for event in clean if not event.kind.lasts or event.key not in self._lasting]
        lasting = {event.key for event in clean if event.kind.lasts}
        self._lasting = lasting if whole else self._lasting | lasting
        self.events = (*self.events, *new)[-MOST_EVENTS:]
        published = [each for each in new if not each.kind.lasts]
        self.pending = (*self.pending, *map(_plain, published))[-_MOST_PENDING:]
        self._write()
        return new

    def published(self, done: Iterable[Mapping[str, Any]]) -> None:
        """Forget what has been published."""
        gone = list(done)
        self.pending = tuple(each for each in self.pending if each not in gone)
        self._write()

    def _write(self) -> None:
        value = {
            "events": [*map(_plain, self.events)],
            "pending": [*self.pending],
            "held": {host: [*map(_held, held)] for host, held in self.held.items()},
            "trials": self.trials,
            "lasting": sorted(map(list, self._lasting)),
        }
        try:
            replace_file(self._file, json.dumps(value).encode())
        except OSError as error:
            self.unwritten = f"{self._file} cannot be written: {error.strerror or error}"
        else:
            self.unwritten = ""


def _plain(event: Event) -> dict[str, Any]:
    value: dict[str, Any] = redact_values({**asdict(event), "kind": str(event.kind)})
    return value


def _held(held: Held) -> dict[str, Any]:
    exit_ = asdict(held.exit) if held.exit else None
    value: dict[str, Any] = redact_values({"why": held.why, "exit": exit_, "at": held.at})
    return {"assignment": held.assignment.to_wire(), **value}


def _event(value: Mapping[str, Any]) -> Event:
    plain = {**value, "kind": Kind(value["kind"]), "hosts": tuple(value["hosts"])}
    return Event(**plain)
