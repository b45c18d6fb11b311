# SPDX-License-Identifier: Apache-2.0
"""Which policy suits a goal: a sum that a person can follow term by term.

Each policy declares a weight by feature of a workload. What is known of the goal's work gives each feature a
value from -1 (the opposite) to +1 (very much so): what its objective says, what was measured on its hosts, or
the mean of both: what is wished for counts as much as what happens to run now. The score is the sum of weight
times value. The kernel's own scheduler is always a candidate, with a score of 0 that a policy must beat. No
score says how a policy does: only measuring it says that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fleetsched.model.features import value_of
from fleetsched.model.goal import KERNEL_DEFAULT, Objective
from fleetsched.model.metrics import FEATURES, METRICS, Nature
from fleetsched.model.policy import Policy
from fleetsched.model.profile import Profile
from fleetsched.model.wording import counted


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of one feature.

    Attributes:
        value: -1 to +1; 0 when nothing is known.
        origin: where it comes from.
        measured: whether it was observed on hosts.
    """

    value: float
    origin: str
    measured: bool = False


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

    @property
    def is_observed(self) -> bool:
        """Whether anything of it was measured on hosts."""
        return any(value.measured for value in self.values.values())


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
    profile: Profile | None = None,
    unusable: Mapping[str, str] = MappingProxyType({}),
) -> Suitability:
    """Compare policies for a goal.

    Args:
        goal: its name.
        objective: what it is about; None = it does not say.
        policies: the candidates beside the kernel's own scheduler.
        hosts: of the goal, those that are known.
        profile: what was observed of them; its features are those of the goal's tasks.
        unusable: why policies cannot be used on any host, by name.
    """
    known = tuple(hosts)
    values = _values(objective)
    if profile is not None:
        values |= _observed(profile, _spoken(objective))
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
    spoken, unknown = _spoken(objective), _UNSAID if objective is None else _UNMEASURED
    origin = ""
    if objective is not None and spoken:
        nature = METRICS[objective.metric].nature
        origin = f"the objective {objective.metric} is about {nature}"
    return {
        feature: Value(spoken[feature], origin) if feature in spoken else _ASSUMED.get(feature, unknown)
        for feature in FEATURES
    }


def _spoken(objective: Objective | None) -> Mapping[str, float]:
    if objective is None or objective.metric not in METRICS:
        return {}
    return _SPEAKS_FOR[METRICS[objective.metric].nature]


def _observed(profile: Profile, spoken: Mapping[str, float]) -> dict[str, Value]:
    where = f"measured on {counted(len(profile.hosts), 'host')}"
    values = {}
    for feature in FEATURES:
        value = value_of(feature, profile.features[feature]) if feature in profile.features else None
        if value is None:
            continue
        origin = f"{where}: {_amount(feature, profile.features[feature])}"
        if feature in spoken:
            origin += f" ({value:+g}); the objective: {spoken[feature]:+g}"
            value = round((value + spoken[feature]) / 2, 2)
        values[feature] = Value(value, origin, measured=True)
    return values


def _amount(feature: str, number: float) -> str:
    text = f"{number:,.0f}" if number >= 100 else f"{number:g}"
    unit = FEATURES[feature].unit
    if unit.startswith("1/"):
        return f"{text}{unit[1:]}"
    return text if unit == "1" else f"{text} {unit}"


def _terms(policy: Policy, values: Mapping[str, Value]) -> tuple[tuple[str, float, float], ...]:
    return tuple(
        (feature, weight, values[feature].value)
        for feature, weight in sorted(policy.suitability.items())
        if feature in values
    )


def _unmet(policy: Policy, hosts: tuple[HostKernel, ...]) -> str:
    unmet = ((host.host, policy.requires.unmet(host.kernel_release, host.arch)) for host in hosts)
    return next((f"{host} {reason}" for host, reason in unmet if reason), "")
