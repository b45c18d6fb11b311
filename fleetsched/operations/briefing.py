# SPDX-License-Identifier: Apache-2.0
"""What the reviewer of a proposal is told beside why, gathered from the change and the run behind it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fleetsched.fleetrepo.load import load_lock
from fleetsched.model.evidence import Scalar
from fleetsched.model.fleet import Fleet
from fleetsched.model.goal import KERNEL_DEFAULT, WorkloadGoal
from fleetsched.model.lock import PolicyLock
from fleetsched.model.proposal import Briefing
from fleetsched.model.suitability import Suitability
from fleetsched.operations.changing import Choice
from fleetsched.operations.drafting import Drafted
from fleetsched.views.suitability import suitability_text


def briefing_of(
    goal: WorkloadGoal,
    fleet: Fleet,
    folder: Path,
    choice: Choice,
    suitability: Suitability,
    drafted: Drafted | None,
) -> Briefing:
    """Gather it.

    Args:
        goal: as the trusted branch has it.
        fleet: of the trusted branch.
        folder: the fleet repository with the change in it.
        choice: what is proposed.
        suitability: how candidates compare by what they declare.
        drafted: the run; None = nothing was measured.
    """
    lock = load_lock(folder / "policies" / choice.policy)
    after = _runs(lock, choice.policy, choice.variant, choice.parameters)
    before, bound = "", goal.policy
    if bound is not None:
        bound_lock = fleet.locks.get(bound.name)
        before = (
            _runs(bound_lock, bound.name, bound.variant, bound.parameters) if bound_lock else KERNEL_DEFAULT
        )
    hosts = tuple(host.name for host in fleet.hosts(goal.host_group))
    reasons = suitability_text(suitability)
    if drafted is None:
        return Briefing(reasons, hosts, before, after)
    draft, spent = drafted.draft, drafted.draft.spent
    return Briefing(
        reasons=reasons,
        hosts=hosts,
        before=before,
        after=after,
        backend=draft.backend,
        model=draft.model,
        transcript=draft.transcript,
        explanation=draft.explanation,
        usd=float(spent.usd),
        tokens=spent.tokens_in + spent.tokens_out + spent.tokens_cached,
        wall_s=drafted.seconds,
        candidates=len(draft.tried),
        evidence=drafted.evidence,
        held_out=tuple(each.evidence.workload for each in drafted.compared if each.role == "hold-out"),
        gates=drafted.gates,
        in_line=drafted.in_line,
        rejected=drafted.rejected,
        unmeasured=drafted.unmeasured,
    )


def _runs(lock: PolicyLock, policy: str, variant: str, parameters: Mapping[str, Scalar]) -> str:
    """What an assignment is, for people."""
    digest = lock.variants.get(variant, "")[:12]
    words = [f"{policy}@{digest}", *([f"variant {variant}"] if variant != "default" else [])]
    return " ".join([*words, *(f"{name}={value}" for name, value in parameters.items())])
