# SPDX-License-Identifier: Apache-2.0
"""The rows of the fault table, as values. The form is explained at the head of table/helper.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_name("table")
KERNELS = ("6.18", "7.3")

MOMENTS = {
    "idle": "idle",
    "confirmed": "confirmed",
    "staging": "an object half sent",
    "first-trial": "first trial",
    "trial": "trial",
    "baked": "trial, about to be confirmed",
    "failing": "confirmed, fails soon",
    "stalling": "confirmed, stalls soon",
    "program-trial": "trial of a program",
    "program-confirmed": "program confirmed",
}
"""What a host can be brought to (states.py), and how the table calls it."""

ON_TRIAL = frozenset({"first-trial", "trial", "baked", "program-trial"})
"""Moments in which a trial is on."""

RUNS = {
    "good": "last known good",
    "kernel": "kernel's own",
    "trial": "the trial goes on",
    "foreign": "the other scheduler",
}

_SATURATING = ("fork_bomb ", "hog ", "{ fork }")
"""What scripts of such rows say."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is true of a host after a fault.

    Attributes:
        runs: `good` (the last known good), `kernel` (the kernel's own scheduler), `trial` or `foreign`.
        untouched: what ran before has not been away for a moment.
        events: the host's history since the fault, oldest first.
        trial: how the trial ended; None when none has.
        record: of the last known good: `kept`, `new` (what was on trial), `voided`, or `none`, when there was
            none or it cannot be read any more.
        held: policies held now.
        answers: what the helper answered to the requests that were part of the fault: `ok` or a code.
    """

    runs: str
    untouched: bool = False
    events: tuple[str, ...] = ()
    trial: str | None = None
    record: str = "kept"
    held: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One fault at one moment.

    Attributes:
        fault: in words.
        moment: a key of MOMENTS.
        when: the moment more exactly, in words; empty for MOMENTS' own.
        kernel: one of KERNELS.
        script: what is run on the host; a shell script that has host.sh's functions, and begins with those
            of the row's own library.
        machine: done from outside after the script: `reset` cuts the power, `sessions` opens fifty over SSH.
        outcomes: one of these must come true.
        within_s: for this long it is waited for.
        why: what one of the new entries of the history must contain.
        by_ms: the latest time of an event, from the attach of a trial that the script began or the fault.
        outside: why this row is not promised to hold; empty when it is.
    """

    fault: str
    moment: str
    when: str
    kernel: str
    script: str
    machine: str
    outcomes: tuple[Outcome, ...]
    within_s: float
    why: str
    by_ms: tuple[tuple[str, int], ...]
    outside: str

    @property
    def when_in_words(self) -> str:
        """The moment as the table calls it."""
        return self.when or MOMENTS[self.moment]

    @property
    def saturates(self) -> bool:
        """All CPUs of its guest are busy, and how soon the helper gets one is what the row is about."""
        return any(word in self.script for word in _SATURATING)

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{self.kernel} | {self.when_in_words} | {self.fault}"


@cache
def rows() -> tuple[Row, ...]:
    """All rows, those of one kernel and one moment together."""
    found = [
        row
        for file in sorted(TABLE.glob("*.yaml"))
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))
        for row in _expanded(entry)
    ]
    keys = [row.key for row in found]
    assert len(set(keys)) == len(keys), sorted(key for key in keys if keys.count(key) > 1)
    return tuple(sorted(found, key=lambda row: (row.kernel, list(MOMENTS).index(row.moment))))


def _expanded(entry: Mapping[str, Any]) -> list[Row]:
    """One row for each kernel and each of the moments under `at`."""
    unknown = set(entry) - {"fault", "uses", "do", "machine", "kernels", "at", "within_s"}
    assert not unknown, (entry["fault"], unknown)
    return [
        _row(entry, kernel, moment, case)
        for kernel in entry.get("kernels", ["6.18"])
        for moment, cases in entry["at"].items()
        for case in (cases if isinstance(cases, list) else [cases])
    ]


def _row(entry: Mapping[str, Any], kernel: str, moment: str, case: Mapping[str, Any]) -> Row:
    unknown = set(case) - {"when", "then", "do", "machine", "why", "by", "within_s", "outside"}
    assert not unknown, (entry["fault"], moment, unknown)
    assert kernel in KERNELS, kernel
    both = {**entry, **case}
    assert both.get("machine", "") in ("", "reset", "sessions"), both
    library = TABLE.with_name(both["uses"]).read_text(encoding="utf-8") if "uses" in both else ""
    then: Sequence[Mapping[str, Any]] = case["then"] if isinstance(case["then"], list) else [case["then"]]
    return Row(
        fault=both["fault"],
        moment=moment,
        when=both.get("when", ""),
        kernel=kernel,
        script=library + both.get("do", ""),
        machine=both.get("machine", ""),
        outcomes=tuple(map(_outcome, then)),
        within_s=float(both.get("within_s", 90)),
        why=case.get("why", ""),
        by_ms=tuple(case.get("by", {}).items()),
        outside=case.get("outside", ""),
    )


def _outcome(value: Mapping[str, Any]) -> Outcome:
    """`events`, `held` and `answers` are written as words with spaces between."""
    words = {
        key: tuple(value[key].split()) if key in ("events", "held", "answers") else value[key]
        for key in value
    }
    outcome = Outcome(**words)
    assert outcome.runs in RUNS, value
    assert outcome.record in ("kept", "new", "voided", "none"), value
    return outcome
