# SPDX-License-Identifier: Apache-2.0
"""`fleetsched propose`: find a policy for goals that have none, and propose it on the forge."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fleetsched.agent.anthropic.model import ModelError
from fleetsched.errors import (
    BuildError,
    ConflictError,
    FleetschedError,
    InputError,
    InterruptedRunError,
    LabError,
    RefusedError,
    WorkloadError,
)
from fleetsched.fleetrepo.branches import Branches
from fleetsched.fleetrepo.export import exported
from fleetsched.fleetrepo.load import default_inventory, load_fleet
from fleetsched.forge.interface import Change, Forge
from fleetsched.model.fleet import Fleet
from fleetsched.model.goal import KERNEL_DEFAULT, PolicyBinding, WorkloadGoal
from fleetsched.model.policy import Policy
from fleetsched.model.proposal import Proposal, State
from fleetsched.model.suggest import suggestion
from fleetsched.model.suitability import Suitability, rank
from fleetsched.operations.asking import Known, task_for
from fleetsched.operations.briefing import briefing_of
from fleetsched.operations.catalogue import catalogue
from fleetsched.operations.changing import Choice, check_change, fingerprint, write_change
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.proposals import open_forge
from fleetsched.views.suitability import suitability_text

if TYPE_CHECKING:
    from fleetsched.operations.drafting import Drafted
    from fleetsched.operations.workshop import Workshop

_DAY = timedelta(days=1)
_OF_ONE_GOAL = (BuildError, ConflictError, InputError, LabError, ModelError, RefusedError, WorkloadError)
"""What ends one goal, and not the others."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What became of one goal.

    Attributes:
        outcome: `kernel-default` = no policy beats it; `kept` = none beats the one that the goal has;
            `closed` = people closed the same proposal before.
        proposal: None when none was made.
        error: why it failed; the other goals go on, unless somebody interrupted it.
        drafted: what was measured; None where nothing was.
        not_started: goals that were left alone because this one was interrupted.
    """

    goal: str
    outcome: Literal["opened", "updated", "unchanged", "closed", "kept", "kernel-default", "failed"]
    suitability: Suitability
    proposal: Proposal | None = None
    error: FleetschedError | None = None
    drafted: Drafted | None = None
    not_started: tuple[str, ...] = ()


def propose(
    access: FleetAccess,
    known: Known,
    *,
    goals: Sequence[str],
    inventory: Sequence[Path] | None,
    again: bool,
    shop: Workshop | None,
) -> Iterator[Proposed]:
    """Propose a policy for each unbound goal of the trusted branch, or for the named ones, one by one.

    Args:
        access: the fleet repository; its work tree is neither read for goals nor changed.
        known: what is known of the hosts.
        goals: names, also of goals that have a policy; none = all unbound goals.
        inventory: inventories instead of the repository's default.
        again: also propose what people have closed.
        shop: who drafts and measures; None = choose by what policies declare alone.

    Raises:
        InputError: no such goal.
        ProblemsError: the trusted branch's files have mistakes.
    """
    branches = Branches(access.root, access.controller.trust)
    forge = open_forge(branches, access.controller.forge)
    listing = forge.proposals()
    with exported(branches.git, listing.trusted) as folder:
        hosts = inventory or default_inventory(access.root)
        run_programs = bool(inventory) or access.revision.approved
        fleet = load_fleet(folder, hosts, run_programs=run_programs)
        shipped = {name: policy for name, policy in catalogue().items() if name not in fleet.policies}
        by_goal = {proposal.goal: proposal for proposal in listing.proposals}
        work = _Work(forge, fleet, shipped, listing.trusted, by_goal, hosts, run_programs, again, known, shop)
        left = _chosen(fleet, goals)
        while left:
            goal, *left = left
            suitability = work.rank(goal)
            try:
                result = work.propose(goal, suitability)
            except _OF_ONE_GOAL as error:
                result = Proposed(goal.name, "failed", suitability, error=error)
            if isinstance(result.error, InterruptedRunError):
                yield replace(result, not_started=tuple(each.name for each in left))
                return
            yield result


def _chosen(fleet: Fleet, names: Sequence[str]) -> list[WorkloadGoal]:
    for name in names:
        if name not in fleet.goals:
            raise InputError(
                f'the trusted branch has no goal "{name}"{suggestion(name, fleet.goals)}',
                remedy="commit, push and merge the goal first",
            )
    return [goal for goal in fleet.goals.values() if (goal.name in names if names else goal.policy is None)]


@dataclass(frozen=True, slots=True)
class _Work:
    """What all goals of one command have in common; `proposals` follows what is opened."""

    forge: Forge
    fleet: Fleet
    shipped: Mapping[str, Policy]
    base: str
    proposals: dict[str, Proposal]
    inventory: Sequence[Path]
    run_programs: bool
    again: bool
    known: Known
    shop: Workshop | None

    def rank(self, goal: WorkloadGoal) -> Suitability:
        policies = [*self.fleet.policies.values(), *self.shipped.values()]
        group = self.fleet.groups[goal.host_group]
        against = {policy.name: group.requires.contradiction(policy.requires) for policy in policies}
        unusable = {name: f"with HostGroup {group.name}, {why}" for name, why in against.items() if why}
        default = PolicyBinding("").variant
        for name in self.fleet.policies:
            lock = self.fleet.locks.get(name)
            if lock is None or default not in lock.variants:
                unusable[name] = f"it is not locked: `fleetsched lock {name}`"
        for name, policy in self.shipped.items():
            if policy.program and name not in self.fleet.policies:
                unusable[name] = f"it is not locked: begin with `fleetsched policy add {name}`"
        names = [host.name for host in self.fleet.hosts(goal.host_group)]
        hosts, profile = self.known.kernels(names), self.known.profile_of(goal, names)
        return rank(goal.name, goal.objective, policies, hosts, profile=profile, unusable=unusable)

    def propose(self, goal: WorkloadGoal, suitability: Suitability) -> Proposed:
        if self.shop is not None:
            return self._measured(goal, suitability, self.shop)
        best = suitability.best.name
        if best == KERNEL_DEFAULT:
            return Proposed(goal.name, "kernel-default", suitability)
        if goal.policy is not None and _is_as_good(suitability, goal.policy.name):
            return Proposed(goal.name, "kept", suitability)
        return self._open(goal, suitability, Choice(best), suitability_text(suitability), None)

    def _measured(self, goal: WorkloadGoal, suitability: Suitability, shop: Workshop) -> Proposed:
        from fleetsched.operations.drafting import draft_for
        from fleetsched.views.drafted import why_text

        before = self.proposals.get(goal.name)
        if before is None or before.state is not State.OPEN:
            self._check_limits(goal)  # now, and not after half an hour of measuring
        for line in self.known.unseen([host.name for host in self.fleet.hosts(goal.host_group)]):
            shop.say(f"goal {goal.name}: {line}")
        policies = {**self.fleet.policies, **self.shipped}
        task = task_for(goal, suitability, self.fleet, policies, self.known)
        drafted = draft_for(task, self.fleet, shop)
        candidate = drafted.candidate
        if drafted.error is not None:
            return Proposed(goal.name, "failed", suitability, error=drafted.error, drafted=drafted)
        if candidate is None:
            outcome: Literal["kept", "kernel-default"] = (
                "kernel-default" if goal.policy is None or goal.policy.is_kernel_default else "kept"
            )
            return Proposed(goal.name, outcome, suitability, drafted=drafted)
        choice = Choice(
            candidate.policy,
            candidate.variant,
            candidate.parameters,
            candidate.folder if candidate.generated else None,
            drafted.evidence,
            drafted.lessons,
        )
        try:
            return self._open(goal, suitability, choice, why_text(drafted.account, suitability), drafted)
        except KeyboardInterrupt:
            left = InterruptedRunError(
                f"goal {goal.name}: interrupted while it was being proposed; `fleetsched review list` says "
                f"whether it is, and what was learnt is in {drafted.folder}"
            )
            return Proposed(goal.name, "failed", suitability, error=left, drafted=drafted)

    def _open(
        self,
        goal: WorkloadGoal,
        suitability: Suitability,
        choice: Choice,
        why: str,
        drafted: Drafted | None,
    ) -> Proposed:
        before = self.proposals.get(goal.name)
        with tempfile.TemporaryDirectory(prefix="fleetsched-propose-") as name:
            folder = shutil.copytree(self.fleet.root, Path(name) / "fleet")
            files = write_change(folder, self.fleet, goal, choice, self.shipped)
            digest = fingerprint(goal, suitability, choice, files, self.fleet)
            if before is not None and before.fingerprint == digest:
                if before.state is State.OPEN and self.forge.is_mergeable(before):
                    return Proposed(goal.name, "unchanged", suitability, before, drafted=drafted)
                if before.state is State.CLOSED and not self.again:
                    return Proposed(goal.name, "closed", suitability, before, drafted=drafted)
            opened = before is None or before.state is not State.OPEN
            if opened:
                self._check_limits(goal)
            check_change(folder, goal, choice, self.inventory, run_programs=self.run_programs)
            told = briefing_of(goal, self.fleet, folder, choice, suitability, drafted)
        title = f"Run {choice.policy} for goal {goal.name}"
        change = Change(goal.name, choice.policy, self.base, title, why, digest, files, told)
        proposal = self.proposals[goal.name] = self.forge.open(change, before)
        outcome: Literal["opened", "updated"] = "opened" if opened else "updated"
        return Proposed(goal.name, outcome, suitability, proposal, drafted=drafted)

    def _check_limits(self, goal: WorkloadGoal) -> None:
        limits = self.fleet.proposal_limits
        opened = sum(proposal.state is State.OPEN for proposal in self.proposals.values())
        since = (datetime.now(UTC) - _DAY).isoformat()
        today = sum(proposal.opened_at > since for proposal in self.proposals.values())
        for count, limit, what in (
            (opened, limits.open_at_once, "open proposals"),
            (today, limits.per_day, "proposals opened in 24 hours"),
        ):
            if count >= limit:
                raise RefusedError(
                    f"goal {goal.name}: {what}: {count}; fleetsched.yaml allows {limit}",
                    remedy="review those first: `fleetsched review list`",
                )


def _is_as_good(suitability: Suitability, policy: str) -> bool:
    """Whether a policy has the highest score, too: a change needs a reason."""
    return any(
        each.name == policy and not each.excluded and each.score == suitability.best.score
        for each in suitability.candidates
    )
