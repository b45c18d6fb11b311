# SPDX-License-Identifier: Apache-2.0
"""One object goes over the course on one machine, and what was seen on it.

An object and a machine come in, a `Seen` goes out; the gates verify, attach, stress and soak judge it, each
its part. One restored machine serves all four, and what happens when depends on the machine's own clock
alone: guest/course.pl runs there, beside the helper.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Protocol

from fleetsched.build.watchdog import with_timeout
from fleetsched.errors import HelperError, LabError, UnreachableError
from fleetsched.gates.report import Report, read_report
from fleetsched.helper.client import HelperClient, WatchEnd
from fleetsched.model.assignment import Assignment
from fleetsched.model.gate import Gate
from fleetsched.model.state import ExitRecord, HistoryEntry

TIMEOUT_MS = 2000
"""The kernel's watchdog on the course; hosts have 5000. It speaks after once to one and a half times that."""

ATTACH_S = 6.0
STRESS_S = 10.0
TAIL_S = 3.5
"""After the stress the watchdog gets the time to speak of who was forgotten in it."""

SOAK_S = 90.0

_FOLDER = "/run/course"
_DEADLINE_S = 3600.0
_LOOK_S = 0.5
_SLACK_S = 1.0
_ENTRIES = 100
_BY_SYSRQ = 67
_CONSOLE_LINES = 40
# Of this computer's time, however slow it is: what takes longer has gone wrong.
_START_S = 300.0
_END_S = 300.0

# One script, few programs: where instructions are emulated, starting a program for the first time is slow.
_START = f"""\
mkdir -p {_FOLDER}
cd {_FOLDER}
cat > course.pl << 'END OF COURSE'
JUDGE
END OF COURSE
setsid perl course.pl {_FOLDER} {ATTACH_S} {STRESS_S} {TAIL_S} SOAK < /dev/null > log 2>&1 &
until [ -s report ]; do
    if [ -s log ]; then cat log >&2; exit 1; fi
    sleep 0.02
done
"""
_END = (
    f"until grep -q '^part \\(end\\|gone\\|starved\\)' {_FOLDER}/report; do sleep 0.1; done; "
    f"cat {_FOLDER}/report"
)

# A second of a CPU.
_CONTROL = """perl -e 'my $sum = 0; for (1 .. 2_000_000) { $sum += $_ }'"""
_CONTROL_S = 45.0


class CourseMachine(Protocol):
    """What the course needs of a machine of the lab."""

    @property
    def console(self) -> str:
        """What its kernel printed since the last reset."""
        ...

    def run(self, script: str, *, timeout_s: float) -> str:
        """Run a script as root."""
        ...

    def helper(self) -> HelperClient:
        """Open the helper in it."""
        ...

    def reset(self) -> None:
        """Bring it back to the moment after its boot."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one object on one machine.

    Attributes:
        refusal: why the helper or the kernel did not let it in; None = it was attached.
        report: what the machine's own judge wrote; empty when it could not be read.
        ends: what the helper remembers of the policy's end or ends, and of new starts, in order.
        lost_in: during which gate the machine ceased to answer, though it does without the policy.
        seconds: of this computer's time, by gate.
        notes: what was done, for the log.
        console: the last lines that the machine's kernel printed.
    """

    refusal: HelperError | None = None
    report: Report = field(default_factory=Report)
    ends: tuple[HistoryEntry, ...] = ()
    lost_in: Gate | None = None
    seconds: dict[Gate, float] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()
    console: str = ""

    def end_in(self, gate: Gate) -> HistoryEntry | None:
        """The first end of the policy, if it was during `gate`."""
        if not self.ends:
            return None
        first = self.ends[0]
        return first if self.report.gate_at(first.boottime_ms / 1000) is gate else None

    @property
    def exit(self) -> ExitRecord | None:
        """The exit record of the policy's first end."""
        return next((entry.exit for entry in self.ends if entry.exit), None)

    @property
    def log(self) -> str:
        """All of it for a person, the most telling last."""
        ends = [f"{each.event}: {each.detail}" for each in self.ends]
        trace = [f"  {call}" for call in self.exit.trace] if self.exit else []
        parts = [self.report.text, *self.notes, self.console, *ends, *trace]
        return "\n".join(part.strip("\n") for part in parts if part.strip())


class _LostError(Exception):
    """The machine ceased to answer."""

    def __init__(self, gate: Gate, why: str) -> None:
        super().__init__(why)
        self.gate = gate


def go(
    machine: CourseMachine,
    policy: str,
    variant: str,
    image: bytes,
    *,
    parameters: Mapping[str, int],
    soak: bool,
    clock: Callable[[], float],
) -> Seen:
    """Send an object over the course. The machine must be fresh, and is used up.

    Where the machine ceases to answer it is tried once more, from the start; only then the policy is blamed.

    Args:
        machine: at the moment after its boot.
        policy: the policy's name.
        variant: of the policy.
        image: the object as it was built.
        parameters: that it does not have by itself.
        soak: whether the long part belongs to it.
        clock: seconds of this computer's time.

    Raises:
        LabError: the machine does not do what it should without the policy, either, or is too slow.
        BuildError: the object has no time-out.
    """
    image = with_timeout(image, TIMEOUT_MS)
    digest = hashlib.sha256(image).hexdigest()
    assignment = Assignment.of(policy, variant, digest, parameters)
    attempt = _Attempt(machine, assignment, image, SOAK_S if soak else 0.0, clock)
    try:
        return attempt.run()
    except _LostError:
        machine.reset()
    try:
        return attempt.run()
    except _LostError as lost:
        console = machine.console
        machine.reset()
        began = clock()
        machine.run(_CONTROL, timeout_s=_CONTROL_S * 4)
        if clock() - began > _CONTROL_S:
            raise LabError(
                f"the machine ceased to answer ({lost}), and this computer is too busy to say why",
                remedy="try again when less runs on it",
            ) from lost
        return Seen(lost_in=lost.gate, notes=(*attempt.notes, str(lost)), console=_last(console))


class _Attempt:
    def __init__(
        self,
        machine: CourseMachine,
        assignment: Assignment,
        image: bytes,
        soak_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._machine = machine
        self._assignment = assignment
        self._image = image
        self._soak_s = soak_s
        self._clock = clock
        self.notes: list[str] = []

    def run(self) -> Seen:
        self.notes = [
            f"timeout_ms lowered to {TIMEOUT_MS} in a copy of the object, {self._assignment.digest[:12]}; "
            "nothing else is changed"
        ]
        began = self._clock()
        judge = (resources.files("fleetsched.gates") / "guest" / "course.pl").read_text(encoding="utf-8")
        script = _START.replace("SOAK", str(self._soak_s)).replace("JUDGE", judge)
        self._machine.run(script, timeout_s=_START_S)
        with self._machine.helper() as helper:
            return self._with(helper, began)

    def _with(self, helper: HelperClient, began: float) -> Seen:
        helper.stage(self._assignment.digest, self._image)
        try:
            tried = helper.try_(self._assignment, deadline_s=_DEADLINE_S, run="gates", revision="none")
        except UnreachableError as error:
            raise _LostError(Gate.ATTACH, str(error)) from error
        except HelperError as error:
            return Seen(
                refusal=error,
                seconds={Gate.VERIFY: self._clock() - began},
                notes=tuple(self.notes),
                console=_last(self._machine.console),
            )
        seconds = {Gate.VERIFY: self._clock() - began}
        self.notes.append(f"attached as {tried.trial.ops}, enable_seq {tried.trial.enable_seq}")
        self._watch(helper, seconds)
        gate = max(seconds, key=list(Gate).index)
        try:
            entries = helper.history(_ENTRIES)
            on_trial = helper.status().trial
            if on_trial:
                # Its word counts for what follows, too: a policy that lets no process be born would.
                helper.revert(on_trial.id, why="the course is over", hold=False)
            text = self._machine.run(_END, timeout_s=_END_S)
        except (UnreachableError, LabError) as error:
            raise _LostError(gate, str(error)) from error
        ends = _ends(entries)
        return Seen(
            report=read_report(text),
            ends=ends,
            seconds=seconds,
            notes=tuple(self.notes),
            console=_last(self._machine.console) if ends else "",
        )

    def _watch(self, helper: HelperClient, seconds: dict[Gate, float]) -> None:
        """Wait for the end of the course, or of the policy, and say how long each gate took."""
        short_s = ATTACH_S + STRESS_S + TAIL_S
        until = {Gate.ATTACH: ATTACH_S, **({Gate.STRESS: short_s} if self._soak_s else {})}
        gate, began = Gate.ATTACH, self._clock()
        seconds[gate] = 0.0
        try:
            for each in helper.watch(interval_s=_LOOK_S, for_s=short_s + self._soak_s + _SLACK_S):
                seconds[gate] = self._clock() - began
                if isinstance(each, WatchEnd):
                    return
                if each.elapsed_ms >= until.get(gate, math.inf) * 1000:
                    gate, began = Gate.STRESS if gate is Gate.ATTACH else Gate.SOAK, self._clock()
        except UnreachableError as error:
            raise _LostError(gate, str(error)) from error


def _ends(entries: Sequence[HistoryEntry]) -> tuple[HistoryEntry, ...]:
    """What followed the attach, but for what we did, and what the judge in the machine did by sysrq."""
    names = [entry.event for entry in entries]
    if "attached" not in names:
        return ()
    later = entries[names.index("attached") + 1 :]
    return tuple(
        entry
        for entry in later
        if entry.event not in ("revert", "held") and not (entry.exit and entry.exit.kind == _BY_SYSRQ)
    )


def _last(console: str) -> str:
    return "\n".join(console.splitlines()[-_CONSOLE_LINES:])
