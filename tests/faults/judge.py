# SPDX-License-Identifier: Apache-2.0
"""Whether a host came through a fault: pure values in, a verdict out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleetsched.model.state import HistoryEntry, Record, Status
from tests.faults.rows import Outcome, Row


@dataclass(frozen=True, slots=True)
class Look:
    """A host at one moment, as it tells it itself.

    Attributes:
        status: the helper's.
        history: the helper's.
        stray_program: there are processes of a scheduler program, and its scheduler is not what runs.
    """

    status: Status
    history: tuple[HistoryEntry, ...]
    stray_program: bool = False

    @property
    def news(self) -> frozenset[HistoryEntry]:
        return frozenset(self.history)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one row.

    Attributes:
        row: which.
        seen: what was true at the end.
        took_ms: from the fault to the newest entry of the history, by the host's CLOCK_BOOTTIME.
        after_boot: the host has booted since, and `took_ms` counts from there.
        why: the details of the new entries.
        late: events that came too late, with their time.
        loss: what was lost, in words; empty when nothing was.
    """

    row: Row
    seen: Outcome
    took_ms: int | None
    after_boot: bool
    why: tuple[str, ...]
    late: tuple[str, ...]
    loss: str

    @property
    def as_expected(self) -> bool:
        told = not self.row.why or any(self.row.why in detail for detail in self.why)
        return not self.loss and not self.late and self.seen in self.row.outcomes and told

    @property
    def settled(self) -> bool:
        """Whether the row is done: it went as expected, or otherwise where nothing is promised."""
        return self.verdict in ("ok", "outside")

    @property
    def verdict(self) -> str:
        """One word for the table."""
        if self.as_expected:
            return "ok"
        if self.row.outside:
            return "outside"
        return "LOSS" if self.loss else "OTHERWISE"


def new_entries(before: Look, after: Look) -> list[HistoryEntry]:
    """What the history has now and had not before."""
    return [entry for entry in after.history if entry not in before.news]


def judge(row: Row, before: Look, after: Look, at: Mapping[str, int], answers: Sequence[str]) -> Result:
    """Compare two looks at a host, before the fault and some time after it.

    Args:
        row: what was done and is expected.
        before: the host then.
        after: the host now.
        at: when the script said `fault`, and `off` if it saw the policy end: where real-time tasks keep
            the helper from its history, that tells later than it was. Milliseconds of CLOCK_BOOTTIME.
        answers: what the helper answered to the script.
    """
    new = new_entries(before, after)
    booted = before.status.boot_id != after.status.boot_id
    untouched = not booted and before.status.kernel.enable_seq == after.status.kernel.enable_seq
    last = after.status.last_trial
    seen = Outcome(
        runs=_runs(after.status),
        untouched=untouched and _runs(before.status) == _runs(after.status),
        events=tuple(entry.event for entry in new),
        trial=last.outcome if last and last != before.status.last_trial else None,
        record=_record(before.status, after.status),
        held=tuple(held.assignment.policy for held in after.status.held),
        answers=tuple(answers),
    )
    took = new[-1].boottime_ms - (0 if booted else at["fault"]) if new else None
    begun = next((entry.boottime_ms for entry in new if entry.event == "attached"), at["fault"])
    times = {entry.event: entry.boottime_ms - begun for entry in new}
    if "off" in at:
        times["off"] = at["off"] - begun
    late = tuple(
        f"{event} after {times[event]} ms" for event, limit in row.by_ms if times.get(event, 0) > limit
    )
    why = tuple(entry.detail for entry in new)
    return Result(row, seen, took, booted, why, late, _loss(before, after, seen))


def _runs(status: Status) -> str:
    if status.foreign:
        return "foreign"
    if status.running is None:
        return "kernel"
    if status.trial:
        return "trial"
    good = status.last_known_good
    return "good" if good and good.assignment == status.running.assignment else "unknown"


def _record(before: Status, after: Status) -> str:
    good = after.last_known_good
    if good is None:
        return "voided" if after.voided else "none"
    if _same(good, before.last_known_good):
        return "kept"
    return "new" if before.trial and good.assignment == before.trial.assignment else "changed"


def _same(one: Record, other: Record | None) -> bool:
    return other is not None and (one.assignment, one.run) == (other.assignment, other.run)


def _loss(before: Look, after: Look, seen: Outcome) -> str:
    """The promise itself, whatever the row expects."""
    new = new_entries(before, after)
    if seen.runs not in ("good", "kernel", "trial", "foreign"):
        return "something runs that is neither confirmed nor on trial"
    if seen.runs == "trial" and after.status.trial and after.status.trial.deadline_in_ms <= 0:
        return "a trial runs beyond its deadline"
    if after.stray_program:
        return "a scheduler program goes on that is not what runs"
    had = before.status.last_known_good
    if had and seen.record == "none" and not new:
        return "the last known good is gone, and nothing says why"
    if had and seen.runs == "kernel" and not new and before.status.running:
        return "what was confirmed does not run, and nothing says why"
    if seen.record == "changed":
        return "the last known good is one that nobody confirmed"
    return ""
