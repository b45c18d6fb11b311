# SPDX-License-Identifier: Apache-2.0
"""Hosts that take only signed assignments, in a plan: what a run could not sign it does not begin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from fleetsched.model.plan import CHANGING, Desired, HostPlan, Observed


def refuse_unsigned(
    plans: Iterable[HostPlan],
    observed: Mapping[str, Observed],
    missing: Callable[[Desired], str],
    remedy: str,
) -> tuple[HostPlan, ...]:
    """Give a problem to every host that would get an assignment which it will not take.

    Args:
        plans: as decided without regard to signatures.
        observed: what the hosts said.
        missing: why there is no signature for what is desired; empty when there is.
        remedy: what to do about that.
    """
    return tuple(_judged(plan, observed[plan.host], missing, remedy) for plan in plans)


def _judged(plan: HostPlan, seen: Observed, missing: Callable[[Desired], str], remedy: str) -> HostPlan:
    facts, wanted = seen.facts, plan.desired
    gets_one = plan.action in CHANGING and wanted.assignment is not None and not plan.problem
    if facts is None or not facts.signatures or not gets_one:
        return plan
    if facts.group != wanted.group:
        return replace(
            plan,
            problem=f"the host takes what is signed for group {facts.group}, its goal's is {wanted.group}",
            remedy="correct /etc/fleetsched/group there, or the HostGroup",
        )
    if why := missing(wanted):
        return replace(plan, problem=f"the host takes only signed assignments: {why}", remedy=remedy)
    return plan
