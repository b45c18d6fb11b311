# SPDX-License-Identifier: Apache-2.0
"""Which policy suits a goal: a sum that a person can follow term by term. Nothing here is measured.

Each policy declares a weight by feature of a workload. What is known of the goal gives each feature a value
from -1 (the opposite) to +1 (very much so); the score is the sum of weight times value. The kernel's own
scheduler is always a candidate, with a score of 0 that a policy must beat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fleetsched.model.goal import KERNEL_DEFAULT, Objective
from fleetsched.model.metrics import FEATURES, METRICS, Nature
from fleetsched.model.policy import Policy


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of one feature.

    Attributes:
        value: -1 to +1; 0 when nothing is known.
        origin: where it comes from.
    """

    value: float
    origin: str


@dataclass(frozen=True, slots=True)
class HostKernel:
    """What a requirement is checked against."""

    host: str
    kernel_release: str
    arch: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One policy, or the kernel's own scheduler.

    Attributes:
        terms: (feature, weight, value) of every declared weight.
        excluded: why it cannot be used; empty when it can.
    """

    name: str
    terms: tuple[tuple[str, float, float], ...] = ()
    excluded: str = ""

    @property
    def score(self) -> float:
        """The sum of weight times value."""
        return sum(weight * value for _, weight, value in self.terms)


@dataclass(frozen=True, slots=True)
class Suitability:
    """How all candidates compare for one goal, the best first.

    Attributes:
        values: what is known, by feature.
        checked_hosts: names of the hosts whose kernel and architecture are known.
    """

    goal: str
    values: Mapping[str, Value]
    candidates: tuple[Candidate, ...]
    checked_hosts: tuple[str, ...]

    @property
    def best(self) -> Candidate:
        """The candidate to propose; the kernel's own scheduler when none beats it."""
        return self.candidates[0]


_SPEAKS_FOR: Mapping[Nature, Mapping[str, float]] = {
    "latency": {"wake_rate": 1.0, "mean_slice_us": -1.0},
    "throughput": {"wake_rate": -1.0, "mean_slice_us": 1.0},
    "pressure": {},
}
_ASSUMED = {"cpu_utilisation": Value(1.0, "assumed: where CPUs are idle no policy matters")}
_UNMEASURED = Value(0.0, "unmeasured: counts 0")
_UNSAID = Value(0.0, "unmeasured, and the goal names no objective: counts 0")


def rank(
    goal: str,
    objective: Objective | None,
    policies: Iterable[Policy],
    hosts: Iterable[HostKernel],
    *,
    unusable: Mapping[str, str] = MappingProxyType({}),
) -> Suitability:
    """Compare policies for a goal.

    Args:
        goal: its name.
        objective: what it is about; None = it does not say.
        policies: the candidates beside the kernel's own scheduler.
        hosts: of the goal, those that are known.
        unusable: why policies cannot be used on any host, by name.
    """
    known = tuple(hosts)
    values = _values(objective)
    candidates = [Candidate(KERNEL_DEFAULT)]
    for policy in policies:
        excluded = unusable.get(policy.name, "") or _unmet(policy, known)
        candidates.append(Candidate(policy.name, _terms(policy, values), excluded))
    # At the same score the kernel's own scheduler stays: a change needs a reason.
    ordered = sorted(
        candidates,
        key=lambda each: (bool(each.excluded), -each.score, each.name != KERNEL_DEFAULT, each.name),
    )
    return Suitability(goal, values, tuple(ordered), tuple(host.host for host in known))


def _values(objective: Objective | None) -> dict[str, Value]:
    spoken: Mapping[str, float] = {}
    origin, unknown = "", _UNSAID if objective is None else _UNMEASURED
    if objective is not None and objective.metric in METRICS:
        nature = METRICS[objective.metric].nature
        spoken, origin = _SPEAKS_FOR[nature], f"the objective {objective.metric} is about {nature}"
    return {
        feature: Value(spoken[feature], origin) if feature in spoken else _ASSUMED.get(feature, unknown)
        for feature in FEATURES
    }


def _terms(policy: Policy, values: Mapping[str, Value]) -> tuple[tuple[str, float, float], ...]:
    return tuple(
        (feature, weight, values[feature].value)
        for feature, weight in sorted(policy.suitability.items())
        if feature in values
    )


def _unmet(policy: Policy, hosts: tuple[HostKernel, ...]) -> str:
    unmet = ((host.host, policy.requires.unmet(host.kernel_release, host.arch)) for host in hosts)
    return next((f"{host} {reason}" for host, reason in unmet if reason), "")
