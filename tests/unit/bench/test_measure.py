# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fleetsched.bench.interface import EndedError, Run
from fleetsched.bench.measure import (
    ArmImage,
    Clock,
    Experiment,
    block_seed,
    least_repeats,
    measure,
    unmeasured,
    workload_digest,
)
from fleetsched.errors import HelperError
from fleetsched.model.evidence import Arm, Environment, Evidence, Finding
from fleetsched.model.position import Position
from fleetsched.model.workload import Workload, WorkloadMetric

ENVIRONMENT = Environment("6.18.15-cloud-amd64", "x86_64", 1, "flat", 768, "tcg", "icount")
WORKLOAD = Workload("w", ("true",), {"time_s": WorkloadMetric("s", "minimize", regex="(.*)")})
ARMS = (ArmImage(Arm("kernel-default")), ArmImage(Arm("candidate", "fair", "default", "f1" * 32), b"elf"))
RUN_S = 10.0


class FakeTarget:
    """Gives the arm's time, and a little of the seed."""

    environment = ENVIRONMENT

    def __init__(self, times: dict[str, float], ejected_in: int | None = None) -> None:
        self.times = times
        self.ejected_in = ejected_in
        self.now_s = 0.0
        self.ran: list[tuple[str, int]] = []
        self.prepared = 0
        self._arm = ""

    def prepare(self, workload: Workload) -> None:
        self.prepared += 1

    def switch_to(self, arm: Arm, image: bytes | None) -> None:
        assert (image is None) is (arm.policy == "")
        self._arm = arm.name

    def run(self, workload: Workload, *, seed: int, observe: bool) -> Run:
        self.now_s += RUN_S
        self.ran.append((self._arm, seed))
        if self._arm == "candidate" and self.ejected_in == seed % 1000:
            raise HelperError("fair@f1f1f1f1 did not stay: runnable task stall", code="ejected")
        value = self.times[self._arm] + (seed * 7919 % 100) / 1e3
        return Run(dict.fromkeys(workload.metrics, value), None, 1.0)


def experiment(**changes: Any) -> Experiment:
    return replace(Experiment("fair", WORKLOAD, ARMS, repeats=8, width=None), **changes)


def run(target: FakeTarget, wanted: Experiment) -> Evidence:
    clock = Clock(lambda: target.now_s, lambda: datetime(2026, 11, 26, tzinfo=UTC))
    return measure(target, wanted, lambda _: None, clock)


def test_the_faster_candidate_is_better() -> None:
    target = FakeTarget({"kernel-default": 2.0, "candidate": 1.0})

    found = run(target, experiment())

    (comparison,) = found.comparisons
    assert (comparison.metric, comparison.finding) == ("time_s", Finding.BETTER)
    assert (found.ended, found.began, found.seconds) == ("repeats", "2026-11-26T00:00:00Z", 180.0)
    assert target.prepared == 1


def test_arms_take_turns_in_an_order_by_seed_and_the_warm_up_is_dropped() -> None:
    target = FakeTarget({"kernel-default": 2.0, "candidate": 1.0})

    found = run(target, experiment(repeats=20))

    assert len(target.ran) == 2 * 21
    assert [name for name, _ in target.ran[2:]] == [name for block in found.order for name in block]
    assert all(sorted(block) == ["candidate", "kernel-default"] for block in found.order)
    assert 4 <= Counter(block[0] for block in found.order)["candidate"] <= 16
    assert len(found.measured[0].samples["candidate"]) == 20
    assert run(FakeTarget(target.times), experiment(repeats=20)).order == found.order
    assert run(FakeTarget(target.times), experiment(repeats=20, seed=2)).order != found.order


def test_all_arms_of_a_block_get_the_same_seed_and_every_block_another() -> None:
    target = FakeTarget({"kernel-default": 2.0, "candidate": 1.0})

    run(target, experiment(repeats=3, seed=5))

    assert [seed for _, seed in target.ran] == [block_seed(5, block) for block in (0, 0, 1, 1, 2, 2, 3, 3)]


def test_it_ends_when_the_objectives_are_known_well_enough() -> None:
    found = run(FakeTarget({"kernel-default": 2.0, "candidate": 1.0}), experiment(repeats=100, width=0.2))

    assert found.ended == "precise"
    assert 6 <= len(found.order) < 100


@pytest.mark.parametrize(("comparisons", "runs"), [(1, 6), (7, 6), (8, 7), (28, 7), (29, 8)])
def test_no_experiment_ends_before_it_can_show_anything(comparisons: int, runs: int) -> None:
    assert least_repeats(comparisons) == runs  # 2 / 924 and 2 / 3432 are the least p of 6 and 7 runs


def test_an_experiment_with_many_metrics_goes_on_for_longer() -> None:
    metrics = {f"metric_{number}": WORKLOAD.metrics["time_s"] for number in range(8)}
    many = experiment(workload=replace(WORKLOAD, metrics=metrics), repeats=100, width=0.2)

    found = run(FakeTarget({"kernel-default": 2.0, "candidate": 1.0}), many)

    assert (found.ended, len(found.order)) == ("precise", 7)


def test_no_block_begins_that_would_not_end_within_the_budget() -> None:
    found = run(FakeTarget({"kernel-default": 2.0, "candidate": 1.0}), experiment(budget_s=75.0))

    assert (found.ended, len(found.order), found.seconds) == ("budget", 2, 60.0)


def test_there_is_one_block_however_small_the_budget() -> None:
    found = run(FakeTarget({"kernel-default": 2.0, "candidate": 1.0}), experiment(budget_s=1.0))

    assert (found.ended, len(found.order)) == ("budget", 1)


@pytest.mark.parametrize(("block", "when"), [(0, "in the warm-up"), (3, "in block 3")])
def test_an_ejected_policy_ends_the_experiment(block: int, when: str) -> None:
    target = FakeTarget({"kernel-default": 2.0, "candidate": 1.0}, ejected_in=block)

    with pytest.raises(EndedError) as raised:
        run(target, experiment())

    assert str(raised.value) == (f"candidate fair: fair@f1f1f1f1 did not stay: runnable task stall ({when})")
    assert (raised.value.code, raised.value.arm.name, raised.value.block) == ("ejected", "candidate", block)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (ENVIRONMENT, ("energy", "caches", "numa", "parallel-speed")),
        (replace(ENVIRONMENT, clock="real"), ("energy", "caches", "numa")),
        (replace(ENVIRONMENT, accelerator="none", clock="real", host="web-1"), ()),
    ],
)
def test_what_an_environment_cannot_judge_is_unmeasured(
    environment: Environment, expected: tuple[str, ...]
) -> None:
    assert unmeasured(environment) == expected


def test_a_workloads_digest_is_of_what_it_is_made_of_not_of_where_it_lies() -> None:
    moved = replace(WORKLOAD, source=Position("manifests/w.yaml", 3, 1))
    changed = replace(WORKLOAD, programs={"load": "int main(void) { return 0; }"})

    assert workload_digest(moved) == workload_digest(WORKLOAD)
    assert workload_digest(changed) != workload_digest(WORKLOAD)
