# SPDX-License-Identifier: Apache-2.0
"""Which policy suits a goal, and the sum that says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.model.goal import Objective
from fleetsched.model.metrics import FEATURES, METRICS
from fleetsched.model.policy import Policy
from fleetsched.model.profile import Profile
from fleetsched.model.requires import Requires
from fleetsched.model.suitability import Candidate, HostKernel, rank
from fleetsched.views.suitability import suitability_text


def policy(name: str, suitability: dict[str, float], requires: Requires | None = None) -> Policy:
    requires = requires or Requires()
    return Policy(name, Path(name), "does something", suitability=suitability, requires=requires)


POLICIES = [
    policy("interactive", {"wake_rate": 2, "mean_slice_us": -1, "cpu_utilisation": 1}),
    policy("throughput", {"wake_rate": -2, "mean_slice_us": 2, "cpu_utilisation": 1}),
    policy("newest", {"wake_rate": 9}, Requires(kernel=((">=", (9, 0, 0)),))),
]
HOSTS = [HostKernel("web-1", "6.18.15", "x86_64")]


@pytest.mark.parametrize(
    ("metric", "best"),
    [
        ("wakeup_latency_p99_us", "interactive"),
        ("requests_per_second", "throughput"),
        (None, "interactive"),  # as good as throughput, and first by name
    ],
)
def test_the_objective_decides(metric: str | None, best: str) -> None:
    objective = Objective(metric, METRICS[metric].better) if metric else None
    assert rank("web", objective, POLICIES, HOSTS).best.name == best


def test_what_a_host_cannot_run_is_no_choice() -> None:
    found = rank("web", Objective("wakeup_latency_p99_us", "minimize"), POLICIES, HOSTS)
    assert found.candidates[-1] == Candidate(
        "newest", (("wake_rate", 9, 1.0),), "web-1 needs kernel >=9.0, runs 6.18.15"
    )


def test_what_cannot_be_used_at_all_is_no_choice() -> None:
    objective = Objective("wakeup_latency_p99_us", "minimize")
    found = rank("web", objective, POLICIES, [], unusable={"newest": "it is not locked"})
    assert (found.best.name, found.candidates[-1].excluded) == ("interactive", "it is not locked")


def test_a_policy_must_beat_the_kernels_own_scheduler() -> None:
    assert rank("web", None, [policy("nothing", {})], HOSTS).best.name == "kernel-default"


def test_the_explanation_shows_every_term() -> None:
    found = rank("web", Objective("wakeup_latency_p99_us", "minimize"), POLICIES, HOSTS)
    assert (
        suitability_text(found)
        == """\
Which policy suits goal web: declared, nothing was measured

  feature           value  from
  wake_rate            +1  the objective wakeup_latency_p99_us is about latency
  mean_slice_us        -1  the objective wakeup_latency_p99_us is about latency
  cpu_utilisation      +1  assumed: where CPUs are idle no policy matters
  long_tail             0  unmeasured: counts 0
  cgroup_weights        0  unmeasured: counts 0

  candidate         score  weight x value of each feature
  interactive          +4  cpu_utilisation +1 x +1, mean_slice_us -1 x -1,
                           wake_rate +2 x +1
  kernel-default        0  always a candidate
  throughput           -3  cpu_utilisation +1 x +1, mean_slice_us +2 x -1,
                           wake_rate -2 x +1
  newest                -  cannot be used: web-1 needs kernel >=9.0, runs
                           6.18.15

  interactive has the highest score.
  Kernel and architecture of 1 host were checked."""
    )


def test_what_was_measured_on_hosts_is_meant_with_what_the_objective_says() -> None:
    features = {
        "wake_rate": 12_400.0,
        "mean_slice_us": 2800.0,
        "cpu_utilisation": 75.0,
        "cgroup_weights": 1.0,
    }
    profile = Profile(("web-1", "web-2", "web-3"), 5.0, features)
    objective = Objective("wakeup_latency_p99_us", "minimize")
    found = rank("web", objective, POLICIES, HOSTS, profile=profile)
    assert found.is_observed
    assert [line.rstrip() for line in suitability_text(found).splitlines()[:8]] == [
        "Which policy suits goal web: declared, for what hosts do",
        "",
        "  feature           value  from",
        "  wake_rate            +1  measured on 3 hosts: 12,400/s per CPU (+1); the objective: +1",
        "  mean_slice_us      -0.5  measured on 3 hosts: 2,800 us (+0); the objective: -1",
        "  cpu_utilisation    +0.5  measured on 3 hosts: 75 %",
        "  long_tail             0  unmeasured: counts 0",
        "  cgroup_weights       +1  measured on 3 hosts: 1",
    ]
    assert found.best.name == "interactive"


@given(
    st.lists(
        st.builds(
            policy,
            st.sampled_from(["a", "b", "c", "d"]),
            st.dictionaries(st.sampled_from(sorted(FEATURES)), st.integers(-3, 3).map(float)),
        ),
        unique_by=lambda each: each.name,
    ),
    st.sampled_from([None, *METRICS]),
)
def test_the_best_is_never_worse_than_another_and_order_of_policies_does_not_matter(
    policies: list[Policy], metric: str | None
) -> None:
    objective = Objective(metric, "minimize") if metric else None
    found = rank("g", objective, policies, [])
    assert all(found.best.score >= candidate.score for candidate in found.candidates)
    assert found.best.score > 0 or found.best.name == "kernel-default"
    assert rank("g", objective, reversed(policies), []) == found
