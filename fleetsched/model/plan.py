# SPDX-License-Identifier: Apache-2.0
"""The plan: a pure function of three values a host: desired, recorded (its last known good) and running.

Desired comes from the fleet repository, recorded and running from the host itself. The kernel's word
about what runs outranks every record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from fleetsched import __version__
from fleetsched.errors import ExitCode
from fleetsched.model.assignment import Assignment
from fleetsched.model.helper import Compared, HelperBuild, compare
from fleetsched.model.program import Program
from fleetsched.model.requires import Requires
from fleetsched.model.state import Facts, Held, Notice, Record, Status


class Action(StrEnum):
    """What a run would do to one host."""

    ATTACH = "attach"
    REPLACE = "replace"
    REMOVE = "remove"
    HEAL = "heal"
    ADOPT = "adopt"
    HELD = "held"
    NONE = "none"
    UNKNOWN = "unknown"


CHANGING = frozenset({Action.ATTACH, Action.REPLACE, Action.REMOVE, Action.HEAL})
"""The actions that a run carries out. `adopt` is a change that waits for a person."""


_RETRY = "change the policy or its parameters, or run `fleetsched retry`"


class Claim(StrEnum):
    """Why a host has the desired value that it has."""

    GOAL = "goal"
    KERNEL_DEFAULT = "kernel-default"
    UNBOUND = "unbound"
    PRUNED = "pruned"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Desired:
    """What the fleet repository wants of one host.

    Attributes:
        claim: where the wish comes from; UNBOUND and KEPT mean "leave it as it is".
        goal: name of the goal, when one claims the host.
        group: name of the HostGroup, when one holds the host.
        assignment: the policy to run; None is the kernel's own scheduler.
        requires: what the group and the policy ask of the host.
        heal: whether drift is corrected; else it is only told.
        program: what is started on the host, when the policy is a program.
        measures_run_queue: whether the health checks need the host's observer.
    """

    claim: Claim
    goal: str | None = None
    group: str | None = None
    assignment: Assignment | None = None
    requires: tuple[Requires, ...] = ()
    heal: bool = True
    program: Program | None = None
    measures_run_queue: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """What one look at a host gave. Without `status` it was not reachable or has no helper.

    Attributes:
        error: why the host could not be looked at, in one line.
        remedy: what to do about it.
        helper_missing: the host answered and has no helper yet.
        obstacle: why a helper would be of no use there.
        kernel_release, arch: what a host without a helper said of itself.
        helper: which helper answered.
    """

    status: Status | None = None
    facts: Facts | None = None
    helper_missing: bool = False
    obstacle: Notice | None = None
    kernel_release: str = ""
    arch: str = ""
    helper: HelperBuild | None = None
    error: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class HostPlan:
    """What would happen to one host, and why.

    Attributes:
        recorded: the last known good of that moment, to which a failed run goes back; None is the kernel's.
        problem: why a run would refuse this host although it should change; empty when it would not.
        signed: whether the host takes only signed assignments.
        remark: what is worth knowing and changes nothing.
    """

    host: str
    desired: Desired
    action: Action
    install_helper: bool = False
    recorded: Record | None = None
    before: str = "the kernel's scheduler"
    after: str = "the kernel's scheduler"
    reason: str = ""
    problem: str = ""
    remedy: str = ""
    held: Held | None = None
    signed: bool = False
    remark: str = ""

    @property
    def changes(self) -> bool:
        """Whether a run would touch this host, or should and waits for a person."""
        return self.action in CHANGING or self.action is Action.ADOPT or self.install_helper

    @property
    def known(self) -> bool:
        """Whether the host could be looked at."""
        return self.action is not Action.UNKNOWN

    @property
    def drifted(self) -> bool:
        """Whether the host runs something else than its goal wants, and is left at that (`heal: false`)."""
        claimed = self.desired.claim in (Claim.GOAL, Claim.KERNEL_DEFAULT)
        return self.action is Action.NONE and claimed and self.before != self.after

    @property
    def as_wanted(self) -> bool:
        """Whether the host runs what its goal wants of it."""
        return self.action is Action.NONE and self.desired.claim is not Claim.UNBOUND and not self.drifted

    @property
    def words(self) -> str:
        """The action as people read it: `install-helper, attach`."""
        return f"install-helper, {self.action}" if self.install_helper else str(self.action)


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered actions that take the fleet from its actual to its desired assignments."""

    revision: str
    hosts: tuple[HostPlan, ...]
    not_approved: tuple[str, ...] = ()

    @property
    def has_changes(self) -> bool:
        """Whether anything is left to do."""
        return any(host.changes for host in self.hosts)

    @property
    def unreachable(self) -> tuple[HostPlan, ...]:
        """The hosts that could not be looked at."""
        return tuple(host for host in self.hosts if host.action is Action.UNKNOWN)

    def counts(self) -> Counter[str]:
        """How many hosts each action concerns.

        `install-helper` counts beside the action that follows it; `cannot` counts hosts that should change
        and that a run would refuse, instead of their actions; `unbound` those whose goal has no policy;
        `drifted` those whose group says `heal: false`.
        """
        counts: Counter[str] = Counter()
        for host in self.hosts:
            if host.problem and host.action in CHANGING:
                counts["cannot"] += 1
                continue
            counts[_word(host)] += 1
            counts["install-helper"] += host.install_helper
        return +counts

    def exit_code(self, *, detailed: bool) -> ExitCode:
        """4 when a host is unknown; 2 when something would change and `detailed` is asked for; else 0."""
        if self.unreachable:
            return ExitCode.UNREACHABLE
        return ExitCode.CHANGES if detailed and self.has_changes else ExitCode.OK


def _word(host: HostPlan) -> str:
    if host.desired.claim is Claim.UNBOUND and host.known:
        return "unbound"
    return "drifted" if host.drifted else str(host.action)


def plan_hosts(
    desired: Mapping[str, Desired],
    observed: Mapping[str, Observed],
    remembered: Mapping[str, Sequence[Held]] | None = None,
) -> tuple[HostPlan, ...]:
    """Decide for every host of `desired`, in its order.

    An assignment that one host of a goal holds is held on every other host of that goal too: what failed
    on the canary is not tried on the rest until it changes.

    Args:
        desired: by host.
        observed: by host.
        remembered: what hosts held when they could last be asked; it counts for those that cannot be now.
    """
    held = _held_by_goal(desired, observed, remembered or {})
    return tuple(
        replace(
            plan_host(name, wish, observed[name], held.get((wish.goal, wish.assignment))),
            remark=_remark(observed[name]),
        )
        for name, wish in desired.items()
    )


def _remark(observed: Observed) -> str:
    """That the helper is older than this fleetsched: a run works with it, and does not upgrade it."""
    helper = observed.helper
    if helper is None or compare(helper, __version__) is not Compared.OLDER:
        return ""
    return (
        f"helper {helper.version} is older than this fleetsched, {__version__}: `fleetsched helper upgrade`"
    )


def _held_by_goal(
    desired: Mapping[str, Desired],
    observed: Mapping[str, Observed],
    remembered: Mapping[str, Sequence[Held]],
) -> dict[tuple[str | None, Assignment | None], tuple[str, Held]]:
    found: dict[tuple[str | None, Assignment | None], tuple[str, Held]] = {}
    for name, wish in desired.items():
        status = observed[name].status
        for held in status.held if status else remembered.get(name, ()):
            if held.assignment == wish.assignment:
                found.setdefault((wish.goal, wish.assignment), (name, held))
    return found


def plan_host(
    name: str, desired: Desired, observed: Observed, held: tuple[str, Held] | None = None
) -> HostPlan:
    """Decide for one host. `held` names a host of the same goal that holds the desired assignment."""
    after = describe(desired.assignment)
    if observed.helper_missing:
        if desired.assignment is None:
            reason = _unbound(desired) if desired.claim is Claim.UNBOUND else "no helper, and none is needed"
            return HostPlan(name, desired, Action.NONE, after=after, reason=reason)
        if held:
            return HostPlan(
                name,
                desired,
                Action.HELD,
                after=after,
                reason=_why_held(held),
                remedy=_RETRY,
                held=held[1],
            )
        cannot = _problem(desired, observed)
        return HostPlan(
            name,
            desired,
            Action.ATTACH,
            install_helper=True,
            after=after,
            reason="the host has no helper yet",
            problem=cannot[0],
            remedy=cannot[1],
        )
    status = observed.status
    if status is None:
        return HostPlan(
            name,
            desired,
            Action.UNKNOWN,
            before="unknown",
            after=after,
            reason=observed.error,
            remedy=observed.remedy,
        )
    action, reason = _action(desired, status, held)
    problem, remedy = _problem(desired, observed) if action in CHANGING else ("", "")
    if action is Action.ADOPT:
        problem = f"fleetsched does not throw out what it did not start, here {status.foreign}"
        remedy = "stop what started it (for example `systemctl disable --now scx`), then plan again"
    elif action is Action.HELD:
        remedy = _RETRY
    return HostPlan(
        host=name,
        desired=desired,
        action=action,
        recorded=status.last_known_good,
        before=_before(action, status),
        after=running_now(status) if _stays(desired, status) else after,
        reason=reason,
        problem=problem,
        remedy=remedy,
        held=held[1] if held and action is Action.HELD else None,
        signed=observed.facts is not None and observed.facts.signatures,
    )


def _before(action: Action, status: Status) -> str:
    if action is Action.REMOVE and status.foreign and status.last_known_good:
        return f"{status.last_known_good.assignment} recorded, {status.foreign} runs"
    return running_now(status)


def _stays(desired: Desired, status: Status) -> bool:
    """Whether what the host runs is not this plan's to change."""
    return desired.claim in (Claim.UNBOUND, Claim.KEPT) or (
        desired.claim is Claim.PRUNED and status.foreign is not None
    )


def _action(desired: Desired, status: Status, held: tuple[str, Held] | None) -> tuple[Action, str]:
    recorded = status.last_known_good.assignment if status.last_known_good else None
    running = status.running.assignment if status.running else None
    settled = recorded == desired.assignment and _recorded_program(status) == desired.program
    if desired.claim is Claim.UNBOUND:
        return Action.NONE, _unbound(desired)
    if desired.claim is Claim.KEPT:
        return Action.NONE, f"no goal claims it, and group {desired.group} says prune: false"
    if status.foreign and desired.claim is Claim.PRUNED:
        if recorded is None:
            return Action.NONE, f"not managed; runs {status.foreign}"
        return Action.REMOVE, f"no goal claims it; {status.foreign}, which fleetsched did not start, stays"
    drift = f"drift: {running_now(status)} runs, not {describe(recorded)}"
    if status.foreign:
        if settled and not desired.heal:
            return Action.NONE, f"{drift}; {_unhealed(desired)}"
        return Action.ADOPT, drift
    if settled and recorded == running and status.trial is None:
        return Action.NONE, ""
    if desired.assignment is None:
        return Action.REMOVE, _why_removed(desired)
    if held:
        return Action.HELD, _why_held(held)
    if status.trial:
        on_trial = f"a trial of {status.trial.assignment} by {status.trial.run} is on"
        if settled:
            return Action.HEAL, on_trial
        return Action.REPLACE if recorded else Action.ATTACH, on_trial
    if settled:
        return (Action.HEAL, drift) if desired.heal else (Action.NONE, f"{drift}; {_unhealed(desired)}")
    if recorded is None:
        voided = status.voided
        return (
            Action.ATTACH,
            f"{voided.assignment} was ejected: {status.voided_exit}" if voided else "new here",
        )
    return Action.REPLACE, difference(recorded, desired.assignment) or "the program's path or arguments"


def _recorded_program(status: Status) -> Program | None:
    return status.last_known_good.program if status.last_known_good else None


def _why_held(held: tuple[str, Held]) -> str:
    host, hold = held
    return f"failed on {host}: {hold.exit or hold.why}"


def _unhealed(desired: Desired) -> str:
    return f"group {desired.group} says heal: false"


def _unbound(desired: Desired) -> str:
    return f"unbound: goal {desired.goal} has no policy yet; `fleetsched propose {desired.goal}`"


def _why_removed(desired: Desired) -> str:
    if desired.claim is Claim.KERNEL_DEFAULT:
        return f"goal {desired.goal} asks for the kernel's scheduler"
    return "no goal claims it"


def _problem(desired: Desired, observed: Observed) -> tuple[str, str]:
    facts = observed.facts
    if desired.assignment is None:
        return "", ""
    problems = facts.problems if facts else filter(None, [observed.obstacle])
    for problem in problems:
        return problem.message, problem.remedy
    kernel, arch = (facts.kernel_release, facts.arch) if facts else (observed.kernel_release, observed.arch)
    for requires in desired.requires if kernel else ():
        if unmet := requires.unmet(kernel, arch):
            return unmet, "meet the requirement, or leave the host out of the group"
    if desired.measures_run_queue and facts and not facts.observer:
        return (
            "a health check is runQueueLatency, which this host's helper or kernel cannot measure",
            "leave the host out of the group, or use pressure or hostCheck in its strategy",
        )
    return "", ""


def running_now(status: Status) -> str:
    """What the kernel runs, in words."""
    if status.foreign:
        return status.foreign
    return describe(status.running.assignment if status.running else None)


def describe(assignment: Assignment | None) -> str:
    """An assignment, or the kernel's own scheduler, in words."""
    return str(assignment) if assignment else "the kernel's scheduler"


def difference(old: Assignment, new: Assignment) -> str:
    """What changed between two assignments, in words."""
    if old.policy != new.policy:
        return f"policy {old.policy} -> {new.policy}"
    changes: list[str] = []
    if old.variant != new.variant:
        changes.append(f"variant {old.variant} -> {new.variant}")
    before, after = dict(old.parameters), dict(new.parameters)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            changes.append(f"{name} {_value(before.get(name))} -> {_value(after.get(name))}")
    if old.digest != new.digest:
        changes.append(f"object {old.digest[:8]} -> {new.digest[:8]}")
    return ", ".join(changes)


def _value(value: int | None) -> str:
    return "(default)" if value is None else str(value)
