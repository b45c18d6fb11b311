# SPDX-License-Identifier: Apache-2.0
"""`fleetsched propose`: choose a policy for goals that have none, and propose it on the forge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from fleetsched.errors import InputError, RefusedError
from fleetsched.fleetrepo.binding import bind
from fleetsched.fleetrepo.branches import Branches
from fleetsched.fleetrepo.export import exported
from fleetsched.fleetrepo.load import default_inventory, load_fleet
from fleetsched.forge.interface import Change, Forge
from fleetsched.model.manifests import KERNEL_DEFAULT, Fleet, Policy, WorkloadGoal
from fleetsched.model.plan import Observed
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
        outcome: `kernel-default` = no policy beats it; `closed` = people closed the same proposal before.
        proposal: None when none was made.
    """

    goal: str
    outcome: Literal["opened", "updated", "unchanged", "closed", "kernel-default"]
    suitability: Suitability
    proposal: Proposal | None = None


def propose(
    access: FleetAccess,
    observed: Mapping[str, Observed],
    *,
    goals: Sequence[str],
    inventory: Sequence[Path] | None,
    again: bool,
) -> list[Proposed]:
    """Propose a policy for each unbound goal of the trusted branch, or for the named ones.

    Args:
        access: the fleet repository; its work tree is neither read for goals nor changed.
        observed: what hosts said; hosts that are missing or did not answer are not checked.
        goals: names; none = all unbound goals.
        inventory: inventories instead of the repository's default.
        again: also propose what people have closed.

    Raises:
        InputError: no such goal, it has a policy already, or its manifest cannot be edited.
        RefusedError: too many proposals, or somebody works on the branch.
        ProblemsError: the trusted branch's files have mistakes.
    """
    branches = Branches(access.root, access.controller.trust)
    forge = open_forge(branches)
    base = branches.trusted_tip()
    with exported(branches.git, base) as folder:
        hosts = inventory or default_inventory(access.root)
        fleet = load_fleet(folder, hosts, run_programs=bool(inventory) or access.revision.approved)
        shipped = {name: policy for name, policy in catalogue().items() if name not in fleet.policies}
        work = _Work(forge, fleet, shipped, folder, base, again)
        return [work.propose(goal, _kernels(fleet, goal, observed)) for goal in _chosen(fleet, goals)]


def _chosen(fleet: Fleet, names: Sequence[str]) -> list[WorkloadGoal]:
    for name in names:
        if name not in fleet.goals:
            raise InputError(
                f'the trusted branch has no goal "{name}"{suggestion(name, fleet.goals)}',
                remedy="commit, push and merge the goal first",
            )
        if fleet.goals[name].policy is not None:
            raise InputError(f"goal {name} has a policy already", remedy="remove it to have one proposed")
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
    forge: Forge
    fleet: Fleet
    shipped: Mapping[str, Policy]
    folder: Path
    base: str
    again: bool

    def propose(self, goal: WorkloadGoal, hosts: list[HostKernel]) -> Proposed:
        policies = [*self.fleet.policies.values(), *self.shipped.values()]
        suitability = rank(goal.name, goal.objective, policies, hosts)
        best = suitability.best.name
        if best == KERNEL_DEFAULT:
            return Proposed(goal.name, "kernel-default", suitability)
        files = self._files(goal, best)
        why = suitability_text(suitability)
        fingerprint = _fingerprint(goal, why, files)
        known = self.forge.proposals()
        before = next((each for each in known if each.goal == goal.name), None)
        if before is not None and before.fingerprint == fingerprint:
            if before.state is State.OPEN:
                return Proposed(goal.name, "unchanged", suitability, before)
            if before.state is State.CLOSED and not self.again:
                return Proposed(goal.name, "closed", suitability, before)
        opened = before is None or before.state is not State.OPEN
        if opened:
            self._check_limits(known)
        title = f"Run {best} for goal {goal.name}"
        change = Change(goal.name, best, self.base, title, why, fingerprint, files)
        return Proposed(
            goal.name, "opened" if opened else "updated", suitability, self.forge.open(change, before)
        )

    def _files(self, goal: WorkloadGoal, policy: str) -> dict[str, bytes]:
        """The files of the change: the goal's manifest, and the policy where the repository lacks it."""
        manifest = goal.source.file
        files = {manifest: bind((self.folder / manifest).read_bytes(), manifest, goal.name, policy)}
        if policy in self.shipped:
            for path in add_policy(self.folder, policy):
                files[path.relative_to(self.folder).as_posix()] = path.read_bytes()
        return files

    def _check_limits(self, known: Sequence[Proposal]) -> None:
        limits = self.fleet.proposal_limits
        opened = sum(proposal.state is State.OPEN for proposal in known)
        since = (datetime.now(UTC) - _DAY).isoformat()
        today = sum(proposal.opened_at > since for proposal in known)
        for count, limit, what in (
            (opened, limits.open_at_once, "are open"),
            (today, limits.per_day, "were opened in 24 hours"),
        ):
            if count >= limit:
                raise RefusedError(
                    f"{count} proposals {what}, and fleetsched.yaml allows {limit}",
                    remedy="review those first: `fleetsched review list`",
                )


def _fingerprint(goal: WorkloadGoal, why: str, files: Mapping[str, bytes]) -> str:
    """A digest of everything that the choice was made from, and of what is proposed."""
    contents = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())}
    text = json.dumps([goal.name, goal.description, why, contents])
    return hashlib.sha256(text.encode()).hexdigest()
