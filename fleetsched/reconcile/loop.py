# SPDX-License-Identifier: Apache-2.0
"""The loop: fetch, judge, carry out, tell, sleep. One thread; the status page runs in another."""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from fleetsched.errors import ExitCode, FleetschedError, InterruptedRunError, LeaseHeldError
from fleetsched.fleetrepo.revision import Revision
from fleetsched.model.controller import ForgeAccess, Trust
from fleetsched.model.cycle import Cycle, Event, Kind, events_of, held_now, trials_seen
from fleetsched.model.rollout import Phase
from fleetsched.model.timestamp import rfc3339
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.reconcile import reconcile
from fleetsched.operations.snapshot import write_snapshot
from fleetsched.reconcile import child
from fleetsched.reconcile.backoff import Backoff
from fleetsched.reconcile.memory import Memory, StateFolder, prune
from fleetsched.rollout.run import HostEvent, StopRequest

STATE_EVERY_S = 600.0
"""How old the pushed state may get while nothing happens."""

_REPORTED = (Kind.APPLIED, Kind.ROLLED_BACK)
_FAILURES = (Phase.FAILED, Phase.UNREACHABLE, Phase.ROLLED_BACK, Phase.NOT_ROLLED_BACK)
_MOST_LINES = 5
_MOST_FAILURES = 2  # to publish, a cycle: a remote that is down must not keep hosts waiting


class Watcher(Protocol):
    """Somebody who follows what the loop does: the status page, metrics, notifications, the log."""

    def began(self, at: str) -> None:
        """A cycle began."""

    def progress(self, event: HostEvent) -> None:
        """A host of a rollout moved on; called from any thread."""

    def ended(self, cycle: Cycle, subject: str, new: Sequence[Event]) -> None:
        """A cycle ended, with what is new in it."""

    def unpublished(self, why: str) -> None:
        """The remote did not take notes, reports or the state; it is asked again later."""


@dataclass(frozen=True, slots=True)
class GitWork:
    """Git's work; in a process of its own unless a test says otherwise."""

    fetch: Callable[[Path, Trust], tuple[Revision, str]] = child.fetch
    publish: Callable[[Path, Trust, ForgeAccess, Mapping[str, Any]], None] = child.publish


@dataclass(slots=True)
class Loop:
    """Keeps a fleet at its approved revision.

    Attributes:
        state: where everything is kept; the caller has locked it.
        memory: of the state folder.
        forge: where proposals are.
        trust: its remote is a URL or a path.
        open: the fleet at an approved revision that lies in the clone.
        interval_s: seconds between cycles.
        jitter: percent of a wait that it may last longer.
        stop: the wish to end, at the next safe point.
        clock: seconds that only rise.
        chance: evenly from 0 to 1.
    """

    state: StateFolder
    trust: Trust
    open: Callable[[Revision], FleetAccess]
    interval_s: float
    watchers: Sequence[Watcher]
    memory: Memory
    forge: ForgeAccess = field(default_factory=ForgeAccess)
    stop: StopRequest = field(default_factory=StopRequest)
    git: GitWork = field(default_factory=GitWork)
    clock: Callable[[], float] = time.monotonic
    jitter: float = 0.0
    chance: Callable[[], float] = random.SystemRandom().random
    wake: queue.SimpleQueue[None] = field(default_factory=queue.SimpleQueue)
    _fetching: Backoff = field(init=False)
    _applying: Backoff = field(init=False)
    _telling: dict[str, Backoff] = field(init=False, default_factory=dict)  # by revision
    _pushed_at: float | None = None

    def __post_init__(self) -> None:
        self._fetching, self._applying = Backoff(self.interval_s), Backoff(self.interval_s)

    def run(self) -> None:
        """Go on until somebody asks to stop."""
        while not self.stop.requested:
            self.once()
            self._sleep()

    def once(self) -> Cycle:
        """One cycle."""
        began, start = rfc3339(datetime.now(UTC)), self.clock()
        for watcher in self.watchers:
            watcher.began(began)
        cycle, subject = self._cycle(began, start)
        if cycle.observed:
            memory = self.memory
            memory.remember(held_now(memory.held, cycle), trials_seen(memory.trials, cycle))
        new = self._learn(cycle)
        for watcher in self.watchers:
            watcher.ended(cycle, subject, new)
        self._publish(cycle, changed=bool(new))
        return cycle

    def _learn(self, cycle: Cycle) -> list[Event]:
        """What is new of a cycle; also that it cannot be kept, which people are told like anything else."""

        def trouble() -> list[Event]:
            why = self.memory.unwritten
            return [Event(cycle.began, Kind.ERROR, cycle.revision, None, why)] if why else []

        before = trouble()
        new = self.memory.learn([*events_of(cycle), *before], whole=cycle.plan is not None)
        if self.memory.unwritten and not before:
            new += self.memory.learn(trouble(), whole=False)
        return new

    def _cycle(self, began: str, start: float) -> tuple[Cycle, str]:
        def ended(code: ExitCode, words: str, revision: str, **more: Any) -> Cycle:
            return Cycle(began, self.clock() - start, code, words, revision, **more)

        try:
            revision, subject = self.git.fetch(self.state.repository, self.trust)
        except FleetschedError as error:
            self._fetching.failed("fetch", self.clock())
            return ended(ExitCode.ERROR, _said(error), "none"), ""
        self._fetching.worked()
        if not revision.approved:
            words = f"NOT APPROVED: {'; '.join(revision.objections)} ({revision.remedy})"
            return ended(ExitCode.REFUSED, words, revision.label), subject
        try:
            return self._carry_out(revision, ended), subject
        except InterruptedRunError:
            raise
        except LeaseHeldError as error:
            return ended(ExitCode.LEASE_HELD, f"waits: {error.message}", revision.label), subject
        except FleetschedError as error:
            self._applying.failed(revision.label, self.clock())
            return ended(ExitCode.ERROR, _said(error), revision.label), subject
        except OSError as error:
            # A journal cannot be written, say. Nobody works on hosts any more, as if this process had been
            # killed: the next cycle reads the journals, and clears what is left.
            self._applying.failed(revision.label, self.clock())
            return ended(ExitCode.ERROR, f"broken off: {_why(error)}", revision.label), subject

    def _carry_out(self, revision: Revision, ended: Callable[..., Cycle]) -> Cycle:
        access = self.open(revision)
        done = reconcile(
            access,
            journals=self.state.journals,
            report=self._progress,
            stop=self.stop,
            remembered=self.memory.held,
            seen=self.memory.trials,
            may_change=self._applying.is_ready(revision.label, self.clock()),
        )
        if done.applied is not None:
            prune(self.state.journals)
            if any(host.tried and host.phase in _FAILURES for host in done.applied.hosts):
                self._applying.failed(revision.label, self.clock())
            else:
                self._applying.worked()
        return ended(
            done.code,
            done.words,
            revision.label,
            fleet=access.fleet,
            plan=done.plan,
            observed=done.observed,
            carried_out=done.carried_out,
            applied=done.applied,
        )

    def _progress(self, event: HostEvent) -> None:
        for watcher in self.watchers:
            watcher.progress(event)

    def _publish(self, cycle: Cycle, *, changed: bool) -> None:
        """Tell the remote what has happened; what it does not take is told later, and keeps nothing back."""
        failures = 0
        for given in self._publications(cycle, changed=changed):
            commit, events, has_state = given["commit"], given["notes"], given["state"] is not None
            try:
                self.git.publish(self.state.repository, self.trust, self.forge, given)
            except FleetschedError as error:
                for watcher in self.watchers:
                    watcher.unpublished(_said(error))
                self._pushed_at = None if has_state else self._pushed_at
                # What fails for good, such as a comment where none may be written, is tried ever more rarely.
                if events:
                    self._telling.setdefault(commit, Backoff(self.interval_s)).failed(commit, self.clock())
                failures += 1
                if failures == _MOST_FAILURES:
                    return
            else:
                self._pushed_at = self.clock() if has_state else self._pushed_at
                if events:
                    self.memory.published(events)

    def _publications(self, cycle: Cycle, *, changed: bool) -> Iterator[dict[str, Any]]:
        """What is to be published now: the state first, with what is new of its revision."""
        by_commit: dict[str, list[dict[str, Any]]] = {}
        for event in self.memory.pending:
            by_commit.setdefault(event["revision"], []).append(event)
        self._telling = {commit: each for commit, each in self._telling.items() if commit in by_commit}
        waiting = {
            commit for commit, each in self._telling.items() if not each.is_ready(commit, self.clock())
        }
        ready = {commit: events for commit, events in by_commit.items() if commit not in waiting}
        due = self._pushed_at is None or self.clock() - self._pushed_at >= STATE_EVERY_S
        if cycle.observed and (changed or due):
            state = self._written_state(cycle)
            events = ready.pop(cycle.revision, ())
            if state is not None or events:
                yield _publication(cycle.revision, events, state)
        for commit, events in ready.items():
            yield _publication(commit, events, None)

    def _written_state(self, cycle: Cycle) -> Path | None:
        try:
            write_snapshot(self.state.snapshot, cycle.observed)
        except OSError as error:
            for watcher in self.watchers:
                watcher.unpublished(f"the state cannot be written: {_why(error)}")
            return None
        return self.state.snapshot

    def next_wait_s(self) -> float:
        """Seconds until the next cycle, not always the same: many reconcilers would ask one forge at once."""
        wait_s = max(self.interval_s, self._fetching.wait_s())
        return wait_s * (1 + self.jitter / 100 * self.chance())

    def _sleep(self) -> None:
        """Until the interval is over, a webhook comes, or somebody asks to stop."""
        self.stop.tell(self.wake)
        if self.stop.requested:
            return
        try:
            self.wake.get(timeout=self.next_wait_s())
        except queue.Empty:
            return
        while not self.wake.empty():  # several pushes at once are one
            self.wake.get()


def _publication(commit: str, events: Sequence[Mapping[str, Any]], state: Path | None) -> dict[str, Any]:
    reports: dict[str, str] = {}
    for event in events:
        if event["goal"] and event["kind"] in _REPORTED:
            text = f"{event['kind']} at {commit[:12]}: {event['text']}"
            before = reports.get(event["goal"])
            reports[event["goal"]] = f"{before}\n{text}" if before else text
    return {
        "commit": commit,
        "notes": list(events),
        "reports": reports,
        "state": str(state) if state else None,
    }


def _why(error: OSError) -> str:
    """What the system says, without the file: its name may be another each time, and so would the event."""
    return error.strerror or str(error)


def _said(error: FleetschedError) -> str:
    lines = error.message.splitlines()
    more = len(lines) - _MOST_LINES
    said = "; ".join([*lines[:_MOST_LINES], *([f"and {more} more"] if more > 0 else [])])
    return f"{said} ({error.remedy})" if error.remedy else said
