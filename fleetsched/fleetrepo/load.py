# SPDX-License-Identifier: Apache-2.0
"""A fleet repository's files to a `Fleet`, or all their mistakes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fleetsched.documents.check import check
from fleetsched.documents.literals import secrets_in
from fleetsched.documents.node import Node, shown
from fleetsched.documents.reader import read_file
from fleetsched.errors import InputError, Problem, ProblemsError
from fleetsched.fleetrepo import decode
from fleetsched.fleetrepo.crosscheck import Declared, cross_problems
from fleetsched.fleetrepo.lessons import read_lessons
from fleetsched.fleetrepo.manifests import read_manifests
from fleetsched.fleetrepo.policies import LOCK_FILE, POLICY_FILE, read_catalogue, read_lock, read_policy
from fleetsched.fleetrepo.workloads import read_programs, shipped_workloads
from fleetsched.inventory.read import read_inventory
from fleetsched.model.fleet import Fleet, ProposalLimits
from fleetsched.model.lock import PolicyLock
from fleetsched.model.policy import Policy
from fleetsched.model.strategy import BUILT_IN_STRATEGY
from fleetsched.model.suggest import suggestion

MARKER = "fleetsched.yaml"


def load_fleet(root: Path, inventory: Sequence[Path] | None = None, *, run_programs: bool = False) -> Fleet:
    """Load and check everything of a fleet repository as it lies in the folder.

    Args:
        root: the folder with `fleetsched.yaml`; problems name files relative to it.
        inventory: inventories to use instead of the repository's default.
        run_programs: whether somebody vouches for inventories that are programs.

    Raises:
        InputError: the folder is no fleet repository.
        ProblemsError: every mistake of every file.
    """
    if not (root / MARKER).is_file():
        raise InputError(
            f"{root} is no fleet repository: it has no {MARKER}",
            remedy="make one with `fleetsched init FOLDER`",
        )
    settings = _read_settings(root)
    hosts = read_inventory(inventory or settings.inventory, root, run_programs=run_programs)
    manifests = read_manifests(root)
    catalogue = read_catalogue(root)
    lessons, wrong_lessons = read_lessons(root)
    default = settings.strategy.value if settings.strategy is not None else BUILT_IN_STRATEGY.name
    strategies = {name: decode.rollout_strategy(node) for name, node in manifests.strategies.items()}
    sources = {name: read_programs(root, node) for name, node in manifests.workloads.items()}
    own = {name: decode.workload(node, sources[name][0]) for name, node in manifests.workloads.items()}
    fleet = Fleet(
        root=root,
        inventory=hosts.inventory,
        groups={name: decode.host_group(node) for name, node in manifests.groups.items()},
        goals={name: decode.workload_goal(node, default) for name, node in manifests.goals.items()},
        strategies={BUILT_IN_STRATEGY.name: BUILT_IN_STRATEGY} | strategies,
        workloads={**shipped_workloads(), **own},
        policies=catalogue.policies,
        locks=catalogue.locks,
        proposal_limits=settings.limits,
        kernels=settings.kernels,
        lessons=lessons,
    )
    declared = Declared(
        manifests.groups,
        manifests.goals,
        manifests.strategies,
        manifests.workloads,
        manifests.broken | catalogue.broken,
    )
    problems = [*settings.problems, *hosts.problems, *manifests.problems, *catalogue.problems]
    problems += wrong_lessons
    problems += [problem for _, wrong in sources.values() for problem in wrong]
    problems += settings.strategy_problems(fleet, declared)
    problems += cross_problems(fleet, declared)
    if problems:
        raise ProblemsError(problems)
    return replace(fleet, warnings=(*hosts.warnings, *_empty_groups(fleet)))


def default_inventory(root: Path) -> list[Path]:
    """Say which inventories a fleet repository uses when none is given."""
    return _read_settings(root).inventory


def load_policy(folder: Path) -> Policy:
    """Load and check `policy.yaml` of one policy's folder.

    Raises:
        ProblemsError: every mistake in it.
    """
    policy, problems = read_policy(folder, str(folder / POLICY_FILE))
    if policy is None:
        raise ProblemsError(problems)
    return policy


def load_lock(folder: Path) -> PolicyLock:
    """Load and check `policy.lock.yaml` of one policy's folder.

    Raises:
        InputError: there is none.
        ProblemsError: every mistake in it.
    """
    file = folder / LOCK_FILE
    if not file.is_file():
        raise InputError(f"policy {folder.name} is not locked", remedy=f"run `fleetsched lock {folder.name}`")
    lock, problems = read_lock(folder, str(file))
    if lock is None:
        raise ProblemsError(problems)
    return lock


def _empty_groups(fleet: Fleet) -> list[Problem]:
    return [
        group.hosts_source.problem(f"HostGroup {shown(group.name)}: {shown(group.hosts)} selects no host yet")
        for group in fleet.groups.values()
        if not fleet.hosts(group.name)
    ]


@dataclass
class _Settings:
    """What `fleetsched.yaml` says."""

    inventory: list[Path]
    strategy: Node | None = None
    limits: ProposalLimits = field(default_factory=ProposalLimits)
    kernels: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)

    def strategy_problems(self, fleet: Fleet, declared: Declared) -> list[Problem]:
        node = self.strategy
        if (
            node is None
            or node.value in fleet.strategies
            or declared.is_broken("RolloutStrategy", node.value)
        ):
            return []
        return [
            node.problem(f"no RolloutStrategy {shown(node.value)}{suggestion(node.value, fleet.strategies)}")
        ]


def _read_settings(root: Path) -> _Settings:
    reading = read_file(root / MARKER, MARKER)
    settings = _Settings([root / "inventory"], problems=list(reading.problems))
    if not reading.documents:
        if not settings.problems:
            settings.problems.append(Problem(MARKER, 1, 1, "field `apiVersion` is missing"))
        return settings
    document, *more = reading.documents
    settings.problems += [extra.problem("only one document may stand here") for extra in more]
    wrong = [*check(document, "fleet"), *secrets_in(document)]
    settings.problems += reading.unnamed(wrong)
    if not wrong:
        settings.strategy = document.get("defaults", "strategy")
        settings.kernels = tuple(document.value.get("kernels", ()))
        limits = document.value.get("proposals", {})
        plain = settings.limits
        settings.limits = ProposalLimits(
            limits.get("openAtOnce", plain.open_at_once), limits.get("perDay", plain.per_day)
        )
        inventory = document.get("defaults", "inventory")
        if inventory is not None:
            paths = [inventory.value] if isinstance(inventory.value, str) else inventory.value
            settings.inventory = [root / path for path in paths]
    return settings
