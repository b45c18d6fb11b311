# SPDX-License-Identifier: Apache-2.0
"""A run whose controller died in the middle: what its journal says, and what is left to be done about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleetsched.model.assignment import Assignment
from fleetsched.model.plan import Observed
from fleetsched.model.rollout import allows
from fleetsched.model.state import Held, HistoryEntry, Status
from fleetsched.model.strategy import RolloutStrategy

_ENDS = frozenset({"end", "given-up", "taken-over"})
_VERDICTS = frozenset({"ejected", "expired", "revert", "attach-failed", "lost", "confirm"})


@dataclass(frozen=True, slots=True)
class CutOff:
    """A run that was begun and not ended.

    Attributes:
        owner: of its leases.
        tokens: by host, of the leases that it took.
        goals: the hosts of each goal whose rollout was begun.
        group_sizes: by goal, how many hosts its group had, also those that had nothing to do.
        heals: those that had to get again what they had before; a rollback leaves them at that.
    """

    run: str
    owner: str
    tokens: Mapping[str, int] = field(hash=False)
    goals: Mapping[str, tuple[str, ...]] = field(hash=False)
    heals: frozenset[str] = frozenset()
    group_sizes: Mapping[str, int] = field(default_factory=dict, hash=False)


def cut_off(events: Iterable[Mapping[str, Any]]) -> CutOff | None:
    """Say of a journal's events whether they are of a run that was cut off; None = they are not."""
    run, owner = "", ""
    tokens: dict[str, int] = {}
    goals: dict[str, tuple[str, ...]] = {}
    heals: set[str] = set()
    sizes: dict[str, int] = {}
    for event in events:
        name = event.get("event")
        if name in _ENDS:
            return None
        if name in ("run", "rollback-run"):
            run, owner = event["run"], event["owner"]
        elif name == "lease":
            tokens[event["host"]] = event["token"]
        elif name == "goal" and event["goal"]:
            goals[event["goal"]] = tuple(event["hosts"])
            heals.update(event["heals"])
            # Journals of before did not have it.
            sizes[event["goal"]] = event.get("group_size", len(event["hosts"]))
    return CutOff(run, owner, tokens, goals, frozenset(heals), sizes) if run else None


def blameless(run: str, status: Status, history: Sequence[HistoryEntry]) -> list[Held]:
    """What a host holds only because this run was cut off: nobody was there to confirm it in time."""
    last: dict[Assignment, HistoryEntry] = {}
    for entry in history:
        if entry.assignment is not None and entry.event in _VERDICTS:
            last[entry.assignment] = entry
    found = []
    for held in status.held:
        verdict = last.get(held.assignment)
        if verdict is not None and (verdict.event, verdict.run, verdict.exit) == ("expired", run, None):
            found.append(held)
    return found


def abandoned(run: str, status: Status, history: Sequence[HistoryEntry]) -> list[Held]:
    """What a host holds because another controller's run was cut off, as far as anybody else can tell.

    Only what was never left unconfirmed there before: a second time may be the policy's doing.

    Args:
        run: whose trial the host was on while the asking controller could reach it.
        status: of the host, which nobody has a lease of.
        history: of the host.
    """
    expired = Counter(entry.assignment for entry in history if entry.event == "expired")
    return [held for held in blameless(run, status, history) if expired[held.assignment] == 1]


def to_put_back(
    cut: CutOff, observed: Mapping[str, Observed], strategies: Mapping[str, RolloutStrategy]
) -> list[str]:
    """The hosts that the run would have rolled back, had it lived on.

    That is, of each goal, those that confirmed by it what failed on more of its hosts than the failure
    budget allows.

    Args:
        cut: the run.
        observed: what hosts say now, after what they hold without blame was taken away.
        strategies: by goal; a goal without one is not looked at.
    """
    found: list[str] = []
    for goal, hosts in cut.goals.items():
        strategy = strategies.get(goal)
        if strategy is None or strategy.on_failure != "rollback":
            continue
        states = {host: observed[host].status for host in hosts if host in observed}
        confirmed = {
            host: status.last_known_good.assignment
            for host, status in states.items()
            if status
            and status.last_known_good
            and status.last_known_good.run == cut.run
            and host not in cut.heals
        }
        for assignment in set(confirmed.values()):
            failed = sum(
                any(held.assignment == assignment for held in status.held)
                for status in states.values()
                if status
            )
            if not allows(strategy.failure_budget.failed, failed, cut.group_sizes.get(goal, len(hosts))):
                found += [host for host, runs in confirmed.items() if runs == assignment]
    return found
