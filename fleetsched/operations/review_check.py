# SPDX-License-Identifier: Apache-2.0
"""`fleetsched review check`: judge the proposal that is checked out, without running anything of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from fleetsched.errors import (
    BuildError,
    ConflictError,
    FleetschedError,
    InputError,
    ProblemsError,
    RefusedError,
)
from fleetsched.fleetrepo.approved_inventory import approved_inventory
from fleetsched.fleetrepo.branches import Branches
from fleetsched.fleetrepo.changes import Change, changed_files, forbidden
from fleetsched.fleetrepo.export import FOLDERS, exported
from fleetsched.fleetrepo.git import Git
from fleetsched.fleetrepo.load import default_inventory, load_fleet, load_lock
from fleetsched.model.controller import Trust
from fleetsched.model.fleet import Fleet
from fleetsched.model.gate import GateReport, Judged
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.plan import Plan
from fleetsched.model.policy import Policy
from fleetsched.model.verdict import Check, Result, Verdict
from fleetsched.model.wording import counted
from fleetsched.operations.lock import check_program_lock
from fleetsched.operations.review_gates import judged_by_gates

Gater = Callable[[Sequence[Judged], tuple[str, ...]], list[GateReport]]
"""Sends policies through the gates on these kernels; a report each."""

Planner = Callable[[Fleet, str], Plan]
"""Makes a plan of a fleet at a commit: from a state file, or from live hosts."""

_JUDGED = tuple(name for name in FOLDERS if name != "inventory")  # that is the base's, whatever is proposed


def review_check(
    root: Path,
    trust: Trust,
    *,
    base: str | None = None,
    inventory: Sequence[Path] | None = None,
    plan: Planner | None = None,
    gates: Gater | None = None,
    show_plan: Callable[[Plan, Fleet], str],
) -> Verdict:
    """Judge what merging HEAD of a fleet repository makes of the trusted branch.

    Args:
        root: the repository's folder, with the proposal checked out.
        trust: of the controller's own file.
        base: merge into this commit; None = into the trusted branch's tip, as fetched now.
        inventory: inventories instead of those that the base names, which are taken from the base, too.
        plan: None = nothing is planned.
        gates: None = none are run; they are for policies that are changed or bound otherwise, on the kernels
            that the base names.
        show_plan: a plan as text.

    Raises:
        RefusedError: the repository would run programs, or has changes that are not committed.
        FleetschedError: the trusted branch cannot be fetched, or there is no such base.
    """
    branches = Branches(root, trust)
    git = branches.git
    if git.output("status", "--porcelain=v1", "--untracked-files=all", "--ignore-submodules=all", "--", "."):
        raise RefusedError("there are changes that are not committed", remedy="commit them, or put them away")
    head = git.output("rev-parse", "--verify", "HEAD^{commit}")
    start = _start(branches, base)
    try:
        merged = branches.merged(start, head)
    except ConflictError as error:
        finding = f"{error.message}: merge the trusted branch into it, or propose again"
        return Verdict(start, head, (Check("changed files", Result.BAD, finding),))
    changes = changed_files(git, start, merged)
    with exported(git, start, _JUDGED) as before, exported(git, merged, _JUDGED) as after:
        write = _inventories(git, root, start, before, inventory)
        old, _ = _load(before, write(before), run_programs=bool(inventory))
        new, problems = _load(after, write(after), run_programs=bool(inventory))
        checks = [_paths(list(forbidden(git, changes)), changes), _files(new, problems)]
        if new is not None:
            checks += [_meaning(old, new), *_policies(new, changes)]
            if gates is not None:
                kernels = (old or new).kernels
                checks += judged_by_gates(old, new, changes, gates, kernels, all_good=_all_good(checks))
            checks.append(_plan(new, head, plan, show_plan))
    return Verdict(start, head, tuple(checks))


def _inventories(
    git: Git, root: Path, start: str, before: Path, named: Sequence[Path] | None
) -> Callable[[Path], Sequence[Path]]:
    """What puts the inventories for a fleet repository's folder into it, and says where they are."""
    if named:
        return lambda folder: named
    # A relative path is meant from the repository's folder, which `before` only stands for.
    paths = [
        root / path.relative_to(before) if path.is_relative_to(before) else path
        for path in default_inventory(before)
    ]
    return approved_inventory(git, start, paths).write


def _all_good(checks: Sequence[Check]) -> bool:
    return all(check.result is not Result.BAD for check in checks)


def _start(branches: Branches, base: str | None) -> str:
    """What the proposal is merged into. A base's name may have moved, so it has to be approved itself."""
    trusted = branches.trusted_tip()
    if base is None:
        return trusted
    start = _commit(branches, base)
    if not branches.contains(trusted, start):
        raise RefusedError(
            f"--base {base}: {start[:12]} is not on the trusted branch, so what came before it would not be"
            " judged; was a tag or branch moved?",
            remedy="name a commit of the trusted branch, or leave --base out",
        )
    return start


def _commit(branches: Branches, base: str) -> str:
    status, commit, _ = branches.git.run("rev-parse", "--verify", "--end-of-options", f"{base}^{{commit}}")
    if status != 0:
        raise FleetschedError(f"--base {base}: no such commit", remedy="fetch it first")
    return commit


def _load(
    folder: Path, inventory: Sequence[Path], *, run_programs: bool
) -> tuple[Fleet | None, tuple[str, ...]]:
    try:
        return load_fleet(folder, inventory, run_programs=run_programs), ()
    except ProblemsError as error:
        return None, tuple(map(str, error.problems))
    except InputError as error:
        return None, (error.message,)


def _paths(wrong: list[str], changes: list[Change]) -> Check:
    if wrong:
        return Check("changed files", Result.BAD, f"{len(wrong)} that no proposal may touch", tuple(wrong))
    if not changes:
        return Check("changed files", Result.BAD, "nothing is changed: there is nothing to judge")
    return Check(
        "changed files", Result.GOOD, f"{len(changes)}, all of them a policy's, manifests or lessons"
    )


def _files(fleet: Fleet | None, problems: tuple[str, ...]) -> Check:
    if fleet is None:
        return Check("validate", Result.BAD, counted(len(problems), "mistake"), problems)
    goals, policies = counted(len(fleet.goals), "goal"), counted(len(fleet.policies), "policy", "policies")
    return Check("validate", Result.GOOD, f"{goals}, {policies}")


def _meaning(old: Fleet | None, new: Fleet) -> Check:
    """Manifests may differ in what goals are bound to, in nothing else."""
    name = "what manifests say"
    if old is None:
        return Check(name, Result.NOT_DONE, "the base itself has mistakes")
    wrong = list(_other_differences(old, new))
    if wrong:
        return Check(name, Result.BAD, "more changes than the policies of goals", tuple(wrong))
    bound = [f"goal {goal.name}: {_bound(old, goal)} -> {_binding(goal)}" for goal in _rebound(old, new)]
    return Check(name, Result.GOOD, "; ".join(bound) or "no goal is bound to another policy")


def _other_differences(old: Fleet, new: Fleet) -> Iterator[str]:
    for kind, before, after in (
        ("HostGroup", old.groups, new.groups),
        ("RolloutStrategy", old.strategies, new.strategies),
        ("WorkloadGoal", _unbound(old), _unbound(new)),
    ):
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                how = "is new" if name not in before else "is gone" if name not in after else "is changed"
                yield f"{kind} {name} {how}"


def _unbound(fleet: Fleet) -> dict[str, WorkloadGoal]:
    return {name: replace(goal, policy=None) for name, goal in fleet.goals.items()}


def _rebound(old: Fleet, new: Fleet) -> list[WorkloadGoal]:
    return [goal for goal in new.goals.values() if goal.policy != old.goals[goal.name].policy]


def _bound(old: Fleet, goal: WorkloadGoal) -> str:
    return _binding(old.goals[goal.name])


def _binding(goal: WorkloadGoal) -> str:
    return goal.policy.name if goal.policy else "unbound"


def _policies(fleet: Fleet, changes: list[Change]) -> Iterator[Check]:
    """Rebuild and inspect what goals are bound to, and what the proposal touches."""
    named = {goal.policy.name for goal in fleet.goals.values() if goal.policy} | {c.policy for c in changes}
    for name in sorted(named & fleet.policies.keys()):
        yield from _policy(fleet.policies[name])


def _policy(policy: Policy) -> Iterator[Check]:
    from fleetsched.build.allowed import check_allowed
    from fleetsched.build.lock import check_lock, lock_policy
    from fleetsched.build.policy import compile_policy

    if policy.program:
        yield _program(policy)
        return
    try:
        built = lock_policy(policy.folder, policy.variants)
        check_lock(load_lock(policy.folder), built)
        digests = ", ".join(f"{name} {digest[:12]}" for name, digest in built.variants.items())
        yield Check(f"build {policy.name}", Result.GOOD, f"as locked: {digests}")
    except (BuildError, InputError) as error:
        yield Check(f"build {policy.name}", Result.BAD, "not as locked", tuple(str(error).splitlines()))
    try:
        for inputs in policy.variants.values():
            check_allowed(compile_policy(policy.folder, inputs).image, policy.name)
        yield Check(f"inspect {policy.name}", Result.GOOD, "only what policies may contain")
    except BuildError as error:
        yield Check(f"inspect {policy.name}", Result.BAD, "not allowed", tuple(str(error).splitlines()))


def _program(policy: Policy) -> Check:
    name = f"program {policy.name}"
    try:
        lock = check_program_lock(policy)
    except (BuildError, ProblemsError) as error:
        return Check(name, Result.BAD, "not as locked", tuple(str(error).splitlines()))
    assert lock.program, "check_program_lock has looked"
    digests = ", ".join(digest[:12] for digest in lock.variants.values())
    finding = (
        f"{lock.program.path} {lock.program.version}, {digests}: not built here, hosts compare its digest"
    )
    return Check(name, Result.NOT_DONE, finding)


def _plan(fleet: Fleet, head: str, plan: Planner | None, show_plan: Callable[[Plan, Fleet], str]) -> Check:
    if plan is None:
        return Check("plan", Result.NOT_DONE, "no state of hosts was given (--state or --hosts)")
    made = plan(fleet, head)
    changing = sum(host.changes and not host.problem for host in made.hosts)
    cannot = sum(bool(host.problem) for host in made.hosts)
    lines = tuple(show_plan(made, fleet).splitlines())
    finding = f"{counted(changing, 'host')} would change" + (f", {cannot} cannot" if cannot else "")
    return Check("plan", Result.BAD if cannot else Result.GOOD, finding, lines)
