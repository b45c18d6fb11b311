# SPDX-License-Identifier: Apache-2.0
"""Evidence to build tests with: made-up numbers, compared as real ones are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from fleetsched.bench.statistics import compare
from fleetsched.model.evidence import Arm, Distribution, Environment, Evidence, Measured
from fleetsched.model.metrics import Direction
from fleetsched.model.observation import buckets_of

DIGEST = "f1" * 32
EMULATED = Environment("7.2.13-cloud-amd64", "x86_64", 2, "flat", 768, "tcg", "icount")
ARMS = (
    Arm("kernel-default"),
    Arm("candidate", "fair", "default", DIGEST, {"slice_us": 5000}),
)


def numbers(around: float, seed: int, count: int = 10, spread: float = 0.05) -> tuple[float, ...]:
    source = random.Random(seed)
    return tuple(round(around * source.lognormvariate(0, spread), 1) for _ in range(count))


def metric(
    name: str,
    candidate: float,
    default: float,
    *,
    unit: str = "us",
    better: Direction = "minimize",
    guardrail: float | None = None,
    count: int = 10,
    incumbent: float | None = None,
) -> Measured:
    samples = {"kernel-default": numbers(default, 1, count)}
    if incumbent is not None:
        samples["incumbent"] = numbers(incumbent, 2, count)
    return Measured(name, unit, better, samples | {"candidate": numbers(candidate, 3, count)}, guardrail)


WAKEUPS = (
    metric("wakeup_latency_p99_us", 400, 1600),
    metric("requests_per_second", 990, 1000, unit="1/s", better="maximize", guardrail=0.05),
    metric("completion_time_s", 12, 10, unit="s"),
    metric("wakeup_latency_p50_us", 31, 30),
)


def waits(median_us: float, seed: int) -> list[int]:
    source = random.Random(seed)
    return [round(1000 * median_us * source.lognormvariate(0, 1.2)) for _ in range(5000)]


def evidence(
    measured: Sequence[Measured] = WAKEUPS,
    *,
    workload: str = "message-wakeups",
    arms: Sequence[Arm] = ARMS,
    environment: Environment = EMULATED,
    distributions: bool = False,
    digest: str = DIGEST,
    policy: str = "fair",
) -> Evidence:
    arms = [replace(arm, policy=policy, digest=digest) if arm.name == "candidate" else arm for arm in arms]
    count = len(next(iter(measured[0].samples.values())))
    buckets = {arm.name: buckets_of(waits(40 + 60 * place, place)) for place, arm in enumerate(arms)}
    return Evidence(
        policy=policy,
        workload=workload,
        workload_digest="ab" * 32,
        environment=environment,
        arms=tuple(arms),
        measured=tuple(measured),
        comparisons=compare(measured, seed=7),
        unmeasured=("energy", "caches", "numa"),
        order=tuple(tuple(arm.name for arm in arms) for _ in range(count)),
        seed=7,
        began="2026-01-02T03:04:05Z",
        seconds=812.5,
        ended="repeats",
        fleetsched_version="0.1.0",
        distributions=(Distribution("wakeup_latency", buckets),) if distributions else (),
    )
