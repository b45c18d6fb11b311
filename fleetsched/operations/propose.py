# SPDX-License-Identifier: Apache-2.0
"""`fleetsched propose`: choose a policy for goals that have none, and propose it on the forge."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from fleetsched.errors import ConflictError, FleetschedError, InputError, ProblemsError, RefusedError
from fleetsched.fleetrepo.binding import bind
from fleetsched.fleetrepo.branches import Branches
from fleetsched.fleetrepo.export import exported
from fleetsched.fleetrepo.load import default_inventory, load_fleet
from fleetsched.forge.interface import Change, Forge
from fleetsched.model.fleet import Fleet
from fleetsched.model.goal import KERNEL_DEFAULT, PolicyBinding, WorkloadGoal
from fleetsched.model.plan import Observed
from fleetsched.model.policy import Policy
from fleetsched.model.proposal import Proposal, State
from fleetsched.model.suggest import suggestion
from fleetsched.model.suitability import HostKernel, Suitability, rank
from fleetsched.operations.catalogue import add_policy, catalogue
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.proposals import open_forge
from fleetsched.views.proposal import suitability_text

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Proposed:
    """What became of one goal.

    Attributes:
        outcome: `kernel-default` = no policy beats it; `kept` = none beats the one that the goal has;
            `closed` = people closed the same proposal before.
        proposal: None when none was made.
        error: why it failed; the other goals go on.
    """

    goal: str
    outcome: Literal["opened", "updated", "unchanged", "closed", "kept", "kernel-default", "failed"]
    suitability: Suitability
    proposal: Proposal | None = None
    error: FleetschedError | None = None


def propose(
    access: FleetAccess,
    observed: Mapping[str, Observed],
    *,
    goals: Sequence[str],
    inventory: Sequence[Path] | None,
    again: bool,
) -> Iterator[Proposed]:
    """Propose a policy for each unbound goal of the trusted branch, or for the named ones, one by one.

    Args:
        access: the fleet repository; its work tree is neither read for goals nor changed.
        observed: what hosts said; hosts that are missing or did not answer are not checked.
        goals: names, also of goals that have a policy; none = all unbound goals.
        inventory: inventories instead of the repository's default.
        again: also propose what people have closed.

    Raises:
        InputError: no such goal.
        ProblemsError: the trusted branch's files have mistakes.
    """
    branches = Branches(access.root, access.controller.trust)
    forge = open_forge(branches, access.controller.forge)
    known = forge.proposals()
    with exported(branches.git, known.trusted) as folder:
        hosts = inventory or default_inventory(access.root)
        run_programs = bool(inventory) or access.revision.approved
        fleet = load_fleet(folder, hosts, run_programs=run_programs)
        shipped = {name: policy for name, policy in catalogue().items() if name not in fleet.policies}
        by_goal = {proposal.goal: proposal for proposal in known.proposals}
        work = _Work(forge, fleet, shipped, known.trusted, by_goal, hosts, run_programs, again)
        for goal in _chosen(fleet, goals):
            suitability = work.rank(goal, _kernels(fleet, goal, observed))
            try:
                yield work.propose(goal, suitability)
            except (InputError, RefusedError, ConflictError) as error:
                yield Proposed(goal.name, "failed", suitability, error=error)


def _chosen(fleet: Fleet, names: Sequence[str]) -> list[WorkloadGoal]:
    for name in names:
        if name not in fleet.goals:
            raise InputError(
                f'the trusted branch has no goal "{name}"{suggestion(name, fleet.goals)}',
                remedy="commit, push and merge the goal first",
            )
    return [goal for goal in fleet.goals.values() if (goal.name in names if names else goal.policy is None)]


def _kernels(fleet: Fleet, goal: WorkloadGoal, observed: Mapping[str, Observed]) -> list[HostKernel]:
    found = []
    for host in fleet.hosts(goal.host_group):
        seen = observed.get(host.name, Observed())
        if seen.facts:
            found.append(HostKernel(host.name, seen.facts.kernel_release, seen.facts.arch))
        elif seen.kernel_release:
            found.append(HostKernel(host.name, seen.kernel_release, seen.arch))
    return found


@dataclass(frozen=True, slots=True)
class _Work:
    """What all goals of one command have in common; `known` follows what is opened."""

    forge: Forge
    fleet: Fleet
    shipped: Mapping[str, Policy]
    base: str
    known: dict[str, Proposal]
    inventory: Sequence[Path]
    run_programs: bool
    again: bool

    def rank(self, goal: WorkloadGoal, hosts: list[HostKernel]) -> Suitability:
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
        return rank(goal.name, goal.objective, policies, hosts, unusable=unusable)

    def propose(self, goal: WorkloadGoal, suitability: Suitability) -> Proposed:
        best = suitability.best.name
        if best == KERNEL_DEFAULT:
            return Proposed(goal.name, "kernel-default", suitability)
        if goal.policy is not None and _is_as_good(suitability, goal.policy.name):
            return Proposed(goal.name, "kept", suitability)
        with tempfile.TemporaryDirectory(prefix="fleetsched-propose-") as name:
            folder = shutil.copytree(self.fleet.root, Path(name) / "fleet")
            files = self._write(folder, goal, best)
            fingerprint = _fingerprint(goal, suitability, files, self.fleet)
            before = self.known.get(goal.name)
            if before is not None and before.fingerprint == fingerprint:
                if before.state is State.OPEN and self.forge.is_mergeable(before):
                    return Proposed(goal.name, "unchanged", suitability, before)
                if before.state is State.CLOSED and not self.again:
                    return Proposed(goal.name, "closed", suitability, before)
            opened = before is None or before.state is not State.OPEN
            if opened:
                self._check_limits(goal)
            self._check(folder, goal, best)
        title, why = f"Run {best} for goal {goal.name}", suitability_text(suitability)
        change = Change(goal.name, best, self.base, title, why, fingerprint, files)
        proposal = self.known[goal.name] = self.forge.open(change, before)
        return Proposed(goal.name, "opened" if opened else "updated", suitability, proposal)

    def _write(self, folder: Path, goal: WorkloadGoal, policy: str) -> dict[str, bytes]:
        """Make the change in a copy: the goal's manifest, and the policy where the repository lacks it."""
        manifest = goal.source.file
        content = bind((folder / manifest).read_bytes(), manifest, goal.name, policy)
        (folder / manifest).write_bytes(content)
        added = add_policy(folder, policy) if policy in self.shipped else []
        return {manifest: content} | {
            path.relative_to(folder).as_posix(): path.read_bytes() for path in added
        }

    def _check(self, folder: Path, goal: WorkloadGoal, policy: str) -> None:
        """What is proposed must be right as a whole: a policy's time-out fits the strategy, for example."""
        try:
            load_fleet(folder, self.inventory, run_programs=self.run_programs)
        except ProblemsError as error:
            raise InputError(
                f"goal {goal.name}: policy {policy} suits best, and does not fit: {error.problems[0]}",
                remedy="mend that on the trusted branch, then propose again",
            ) from error

    def _check_limits(self, goal: WorkloadGoal) -> None:
        limits = self.fleet.proposal_limits
        opened = sum(proposal.state is State.OPEN for proposal in self.known.values())
        since = (datetime.now(UTC) - _DAY).isoformat()
        today = sum(proposal.opened_at > since for proposal in self.known.values())
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


def _fingerprint(
    goal: WorkloadGoal, suitability: Suitability, files: Mapping[str, bytes], fleet: Fleet
) -> str:
    """A digest of what the choice was made from: the goal, every candidate's terms, the chosen policy.

    Neither the manifest's other lines nor which hosts answered just now are among it.
    """
    said = {name: value for name, value in asdict(goal).items() if name not in ("source", "policy")}
    lock = fleet.locks.get(suitability.best.name)
    chosen = dict(lock.variants) if lock else {}
    chosen |= {
        path: hashlib.sha256(content).hexdigest()
        for path, content in files.items()
        if path != goal.source.file
    }
    candidates = sorted((each.name, each.terms) for each in suitability.candidates)
    bound = goal.policy.name if goal.policy else ""
    text = json.dumps([said, bound, suitability.best.name, chosen, candidates], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
