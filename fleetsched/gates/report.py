# SPDX-License-Identifier: Apache-2.0
"""What the judge inside the machine wrote (guest/course.pl), read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fleetsched.model.gate import Gate

_GATES = {
    "attach": Gate.ATTACH,
    "stress": Gate.STRESS,
    "hotplug": Gate.STRESS,
    "tail": Gate.STRESS,
    "soak": Gate.SOAK,
}


@dataclass(frozen=True, slots=True)
class Part:
    """The beginning of one part of the course.

    Attributes:
        name: `attach`, `stress`, `hotplug`, `tail`, `soak`; `end` when all is over, `gone`
            when the policy is, `starved` when it was detached because somebody ran no more.
        at_s: on the machine's clock since its boot.
        state: what the kernel said: `enabled` and so on.
        ops: the scheduler's name; `-` for none.
        enable_seq: how many schedulers were enabled since boot; `-` as above.
        events: the kernel's counters.
    """

    name: str
    at_s: float
    state: str
    ops: str
    enable_seq: str
    events: Mapping[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Report:
    """All of it.

    Attributes:
        parts: in order, as far as the policy came.
        did: how often each task got something done until the end of a part, by part and task.
        gaps_s: for how long a task that wakes again and again did not run, at the most, by part and task.
        complaints: what could not be done in the machine.
        text: as it was written.
    """

    parts: tuple[Part, ...] = ()
    did: Mapping[str, Mapping[str, int]] = field(default_factory=dict, hash=False)
    gaps_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)
    complaints: tuple[str, ...] = ()
    text: str = ""

    def part(self, name: str) -> Part | None:
        """The part of this name, if the policy came so far."""
        return next((part for part in self.parts if part.name == name), None)

    def gate_at(self, at_s: float) -> Gate:
        """Which gate the moment belongs to. Before the first part it is the attach."""
        begun = [part for part in self.parts if part.name in _GATES and part.at_s <= at_s]
        return _GATES[begun[-1].name] if begun else Gate.ATTACH

    def grown(self, first: str, last: str) -> dict[str, int]:
        """By how much each counter grew between two parts; nothing when one is missing."""
        before, after = self.part(first), self.part(last)
        if before is None or after is None:
            return {}
        return {
            name: count - before.events.get(name, 0)
            for name, count in after.events.items()
            if count > before.events.get(name, 0)
        }


def read_report(text: str) -> Report:
    """Read the report; lines that are none are left out."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    did: dict[str, dict[str, int]] = {}
    gaps: dict[str, dict[str, float]] = {}
    for _, part, task, count in _of(lines, "did", 4):
        did.setdefault(part, {})[task] = int(count)
    for _, part, task, seconds in _of(lines, "gap", 4):
        gaps.setdefault(part, {})[task] = float(seconds)
    return Report(
        parts=tuple(_parts(lines)),
        did=did,
        gaps_s=gaps,
        complaints=tuple(" ".join(words) for words in lines if words[0].startswith("no-")),
        text=text,
    )


def _parts(lines: list[list[str]]) -> Iterator[Part]:
    for _, name, at_s, state, ops, enable_seq in _of(lines, "part", 6):
        events = {event: int(count) for _, part, event, count in _of(lines, "event", 4) if part == name}
        yield Part(name, float(at_s), state, ops, enable_seq, events)


def _of(lines: list[list[str]], word: str, length: int) -> list[list[str]]:
    return [words for words in lines if words[0] == word and len(words) == length]
