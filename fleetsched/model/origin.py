# SPDX-License-Identifier: Apache-2.0
"""Which run brought what a host runs, and which runs have only attached the same again since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleetsched.model.state import HistoryEntry, Record

# Each of them ends what was the last known good, whatever is confirmed afterwards.
_ENDS = frozenset({"stop", "voided"})


@dataclass(frozen=True, slots=True)
class Origin:
    """The run that a last known good came from.

    Attributes:
        run: the first that confirmed it there.
        at: when, RFC 3339; empty = longer ago than the history reaches, and then `run` is the first known.
        heals: the runs that confirmed the same again. A host names the last of them in its record.
    """

    run: str
    at: str
    heals: tuple[str, ...] = ()


def origin(record: Record, previous: Record | None, history: Sequence[HistoryEntry], most: int) -> Origin:
    """Find where a host's last known good came from.

    Args:
        record: the last known good.
        previous: what was the last known good before it.
        history: of the host, oldest first; without the record's own entry the record alone is believed.
        most: how many entries were asked for.
    """
    runs: list[HistoryEntry] = []
    begun = False
    for entry in reversed(history):
        if entry.event not in _ENDS and entry.event != "confirm":
            continue
        begun = entry.event in _ENDS or entry.assignment != record.assignment
        # The same assignment with other arguments of its program is another last known good.
        begun |= bool(runs) and previous is not None and entry.run == previous.run
        if begun:
            break
        runs.append(entry)
    if not runs or runs[0].run != record.run:
        return Origin(record.run, record.confirmed_at)
    known = begun or (previous is None and len(history) < most)
    first = runs.pop()
    return Origin(first.run or "", first.at if known else "", tuple(entry.run or "" for entry in runs))
