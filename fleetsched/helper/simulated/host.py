# SPDX-License-Identifier: Apache-2.0
"""One simulated host: the rules of docs/helper-protocol.md over a simulated kernel and a manual clock."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fleetsched.errors import BecomeError, HostError
from fleetsched.helper.simulated.clock import ManualClock
from fleetsched.helper.simulated.kernel import SimulatedKernel
from fleetsched.helper.simulated.observer import Work
from fleetsched.helper.simulated.records import Disk
from fleetsched.helper.simulated.refusal import Refusal
from fleetsched.helper.simulated.scenario import EXIT_HOTPLUG, EXIT_SYSRQ, Behaviour, Exit
from fleetsched.helper.wire import PROTOCOL
from fleetsched.model.assignment import Assignment

# How long the kernel's own scheduler runs in a swap (166 to 215 ms were measured on real kernels).
WINDOW_MS = 180

# How often in a minute a policy is attached again after a CPU came or went.
_RESTARTS = 5
_TOO_OFTEN = "CPUs came or went more than five times in a minute, and it cannot go on through that"


@dataclass(slots=True)
class Attached:
    """A policy that this host's helper has attached and the kernel still runs."""

    assignment: Assignment
    behaviour: Behaviour
    ops: str
    enable_seq: int
    baseline: dict[str, int]
    ejected_at: int | None
    program: dict[str, Any] | None

    def to_wire(self) -> dict[str, Any]:
        """Write the protocol's *running*."""
        return {
            "assignment": self.assignment.to_wire(),
            "ops": self.ops,
            "enable_seq": self.enable_seq,
            "events_baseline": self.baseline,
        }


@dataclass(slots=True)
class OnTrial:
    """The trial in progress. Times are the host's clock in milliseconds."""

    id: str
    attached: Attached
    run: str
    revision: str
    hold: str | None  # why the replaced policy is held once this one is confirmed
    started: int
    deadline: int
    confirmable: int


@dataclass(slots=True)
class SimulatedHost:
    """A host whose every behaviour a test decides.

    Attributes:
        name: its name in the inventory.
        clock: its own time, which goes on while somebody waits for its answer.
        behaviours: what policies do, by digest or by policy name; other policies just work.
        problems, warnings: notices of the facts; a problem with a preflight code refuses every `try` with it.
        installed: whether the helper is there; the installer sets it.
        serving: whether its service runs.
        restricted: whether it is reached by a key that is kept to the helper.
        protocol: the greatest that its helper speaks; 1 is a helper that cannot be upgraded by itself.
        version: of its helper.
        broken_helpers: why a helper that is sent does not come up, by digest or by version; others do.
        disk_full: nothing can be stored or installed.
        connect_error, become_error: raised instead of connecting, and instead of starting a command.
        checks: answers of the host's own checks by name; others are `missing`.
        pressure: `cpu some avg10` in percent.
        allowed_signers, group: these files of /etc/fleetsched; with signers, only what is signed is taken.
        ssh_keygen: whether it is there.
        work: what runs there, for the observer.
        observer_refused: why the kernel does not take the observer; empty = it does.
        observed_until: when the `observe` in progress ends, on the clock.
    """

    name: str
    clock: ManualClock = field(default_factory=ManualClock)
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)
    kernel_release: str = "6.18.15+deb13-cloud-amd64"
    arch: str = "x86_64"
    cpus: str = "0-1"
    sched_ext: bool = True
    problems: list[dict[str, str]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)
    installed: bool = True
    serving: bool = True
    restricted: bool = False
    protocol: int = PROTOCOL
    version: str = "0.1.0"
    helper_files: tuple[str, str] = ("", "")  # digest of the binary, text of the unit
    broken_helpers: Mapping[str, str] = field(default_factory=dict)
    disk_full: bool = False
    connect_error: HostError | None = None
    become_error: BecomeError | None = None
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    pressure: float | None = 0.0
    allowed_signers: str = ""
    group: str | None = None
    ssh_keygen: bool = True
    work: list[Work] = field(default_factory=lambda: [Work("system.slice/demo.service", "demo")])
    observer_refused: str = ""
    observed_until: int = 0
    disk: Disk = field(default_factory=Disk)
    kernel: SimulatedKernel = field(init=False)
    attached: Attached | None = None
    trial: OnTrial | None = None
    lease: tuple[str, int, int] | None = None  # owner, token, end on the clock
    boots: int = 1
    lives: int = 1  # of the helper: grows with every restart, and cuts all channels
    lock: threading.RLock = field(default_factory=threading.RLock)
    _booted_at: int = 0
    _restarts: list[int] = field(default_factory=list)  # when, of the last minute
    _moment: int | None = None  # when the event that is being processed happened

    def __post_init__(self) -> None:
        self.kernel = SimulatedKernel(sched_ext=self.sched_ext)
        if not self.sched_ext:
            self.problems.append(
                {
                    "code": "no-sched-ext",
                    "message": f"the kernel {self.kernel_release} has no sched_ext",
                    "remedy": "boot a kernel built with CONFIG_SCHED_CLASS_EXT (6.12 or later)",
                }
            )
        self.log("service-start")

    # What a scenario does to the host from outside the protocol.

    def eject(self, exit_: Exit) -> None:
        """The kernel lets go, now, what the helper attached."""
        with self.lock:
            self.settle()
            if self.attached:
                self._ended(exit_)

    def hotplug(self) -> None:
        """A CPU comes or goes."""
        with self.lock:
            self.settle()
            if self.attached and not self.attached.behaviour.follows_hotplug:
                self._ended(EXIT_HOTPLUG)

    def attach_foreign(self, ops: str) -> None:
        """Somebody attaches a scheduler by hand, after turning ours off with sysrq-S if there is one."""
        self.eject(EXIT_SYSRQ)
        with self.lock:
            self.kernel.enable(ops)

    def detach_foreign(self) -> None:
        """Somebody takes a scheduler away that the helper did not attach."""
        with self.lock:
            if self.foreign():
                self.kernel.disable()

    def kill_helper(self) -> None:
        """The helper dies: its link closes at once; started again, it restores the last known good."""
        with self.lock:
            self.settle()
            self.lives += 1
            if self.attached:
                self.attached = None
                self.kernel.disable()
            self._start()

    def reboot(self, kernel_release: str | None = None) -> None:
        """The host starts again, perhaps with another kernel."""
        with self.lock:
            self.settle()
            self.lives += 1
            self.boots += 1
            self.attached = None
            self.lease = None
            self.kernel_release = kernel_release or self.kernel_release
            self.kernel = SimulatedKernel(sched_ext=self.sched_ext)
            self._booted_at = self.clock.now_ms() - 30_000
            self._start()

    # Time.

    def now(self) -> int:
        """Return the host's time: of the event being processed, else of its clock."""
        return self.clock.now_ms() if self._moment is None else self._moment

    def next_event(self) -> int | None:
        """Return when something will happen by itself."""
        times = []
        if self.attached and self.attached.ejected_at is not None:
            times.append(self.attached.ejected_at)
        if self.trial:
            times.append(self.trial.deadline)
        return min(times, default=None)

    def settle(self) -> None:
        """Let everything happen that is due, each at its own time."""
        while (due := self.next_event()) is not None and due <= self.clock.now_ms():
            self._moment = due
            try:
                if self.attached and self.attached.ejected_at == due:
                    self._ended(self.attached.behaviour.exit)
                else:
                    self.end_trial("expired", "not confirmed before its deadline")
            finally:
                self._moment = None

    # What the verbs are made of.

    def boot_id(self) -> str:
        """Return this boot's identifier."""
        digest = hashlib.sha256(f"{self.name} {self.boots}".encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"

    def boottime(self) -> int:
        """Return milliseconds since the boot."""
        return self.now() - self._booted_at

    @property
    def sha256(self) -> str:
        """Digest of its helper's bytes; of one that was there before the scenario began, any."""
        return self.helper_files[0] or hashlib.sha256(self.version.encode()).hexdigest()

    def foreign(self) -> str | None:
        """Name the scheduler that the kernel runs and this helper did not attach."""
        return self.kernel.ops if self.attached is None else None

    def behaviour(self, assignment: Assignment) -> Behaviour:
        """Look up what a policy does here."""
        known = self.behaviours
        return known.get(assignment.digest) or known.get(assignment.policy) or Behaviour()

    def attach(self, assignment: Assignment, program: dict[str, Any] | None = None) -> Exit | None:
        """Swap to a policy; what ran before is gone even when it fails. Returns why it did not come up."""
        behaviour = self.behaviour(assignment)
        self.attached = None
        self.kernel.disable()
        if behaviour.init_exit:
            return behaviour.init_exit
        ops = behaviour.ops or assignment.policy.replace("-", "_")
        self.kernel.enable(ops)
        after = behaviour.ejected_after_ms
        self.attached = Attached(
            assignment=assignment,
            behaviour=behaviour,
            ops=ops,
            enable_seq=self.kernel.enable_seq,
            baseline=dict(self.kernel.events),
            ejected_at=None if after is None else self.now() + after,
            program=program,
        )
        return None

    def restore(self) -> None:
        """Attach the last known good again, if there is one for this kernel; else the kernel's own stays."""
        record = self.disk.last_known_good
        if record is None or self.kernel.ops or record["kernel_release"] != self.kernel_release:
            return
        assignment = Assignment.from_wire(record["assignment"])
        exit_ = self.attach(assignment, record.get("program"))
        if exit_ is None:
            self.log("reattached", assignment, run=record["run"])
        else:
            self.log("attach-failed", assignment, run=record["run"], exit_=exit_)

    def end_trial(self, outcome: str, why: str, exit_: Exit | None = None, *, hold: bool = True) -> None:
        """End the trial unconfirmed: hold the assignment, restore the last known good."""
        trial = self._forget_trial(outcome, exit_)
        event = "revert" if outcome == "reverted" else outcome
        self.log(event, trial.attached.assignment, trial.run, exit_, why)
        if hold:
            self.hold(trial.attached.assignment, why, exit_)
        self.attached = None
        self.kernel.disable()
        self.restore()

    def hold(self, assignment: Assignment, why: str, exit_: Exit | None) -> None:
        """Remember that an assignment is not to be tried again here."""
        entry = {
            "assignment": assignment.to_wire(),
            "why": why,
            "exit": exit_.to_wire() if exit_ else None,
            "at": self.clock.rfc3339(self.now()),
        }
        self.disk.hold(entry)
        self.log("held", assignment, exit_=exit_, detail=why)

    def log(
        self,
        event: str,
        assignment: Assignment | None = None,
        run: str | None = None,
        exit_: Exit | None = None,
        detail: str = "",
    ) -> None:
        """Append to the host's history."""
        self.disk.history.append(
            {
                "at": self.clock.rfc3339(self.now()),
                "boot_id": self.boot_id(),
                "boottime_ms": self.boottime(),
                "event": event,
                "assignment": assignment.to_wire() if assignment else None,
                "run": run,
                "exit": exit_.to_wire() if exit_ else None,
                "detail": detail,
            }
        )

    def require(self, condition: object, code: str, message: str, **detail: Any) -> None:
        """Refuse with a code of the protocol unless `condition` holds."""
        if not condition:
            raise Refusal(code, message, detail=detail)

    def _ended(self, exit_: Exit) -> None:
        """The kernel let our policy go."""
        assert self.attached
        assignment = self.attached.assignment
        if self.trial and exit_.wants_restart and self._may_restart():
            self.attach(assignment)
            self.trial.attached = self.attached
            self.log("reattached", assignment, self.trial.run, exit_, "a CPU came or went")
            return
        if self.trial and exit_.wants_restart:
            self.end_trial("ejected", f"{_TOO_OFTEN}: {exit_.reason}", exit_)
            return
        if self.trial:
            self.end_trial("ejected", f"ejected by the kernel: {exit_.reason}", exit_)
            return
        self.attached = None
        self.kernel.disable()
        record = self.disk.last_known_good
        if exit_.kind < 1024 or record is None:
            self.log("detached", assignment, exit_=exit_, detail=exit_.reason)
            if exit_.wants_restart and self._may_restart():
                self.restore()
            elif exit_.wants_restart:
                self.log("attach-failed", assignment, detail=f"the last known good stays off: {_TOO_OFTEN}")
            return
        self.log("ejected", assignment, record["run"], exit_, exit_.reason)
        self.disk.last_known_good = None
        self.disk.voided = {"record": record, "exit": exit_.to_wire()}
        self.log("voided", assignment, record["run"], exit_)
        self.hold(assignment, f"ejected after it was confirmed: {exit_.reason}", exit_)

    def _may_restart(self) -> bool:
        self._restarts = [then for then in self._restarts if self.boottime() - then < 60_000]
        if len(self._restarts) == _RESTARTS:
            return False
        self._restarts.append(self.boottime())
        return True

    def _start(self) -> None:
        """The helper starts, and finds out what its predecessor left."""
        self.log("service-start")
        if self.trial:
            trial = self._forget_trial("lost", None)
            why = "the helper or the host went down during the trial"
            self.log("lost", trial.attached.assignment, trial.run, detail=why)
        self.restore()

    def _forget_trial(self, outcome: str, exit_: Exit | None) -> OnTrial:
        assert self.trial
        trial, self.trial = self.trial, None
        self.disk.last_trial = {
            "id": trial.id,
            "assignment": trial.attached.assignment.to_wire(),
            "outcome": outcome,
            "exit": exit_.to_wire() if exit_ else None,
            "ended_ms": self.boottime(),
        }
        return trial

    def confirmed_trial(self) -> OnTrial:
        """End the trial as confirmed; the caller writes the record."""
        return self._forget_trial("confirmed", None)
