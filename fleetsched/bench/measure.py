# SPDX-License-Identifier: Apache-2.0
"""An experiment: one workload under several schedulers in turn, until enough is known or the time is up."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal

import fleetsched
from fleetsched.bench.interface import WARM_UPS, EndedError, Run, Target
from fleetsched.bench.metrics import measured_keys, unit_and_better
from fleetsched.bench.statistics import compare, precise_enough
from fleetsched.errors import HelperError, WorkloadError
from fleetsched.model.evidence import (
    MOST_IN_LINE,
    Arm,
    Distribution,
    Environment,
    Evidence,
    Measured,
    can_show,
)
from fleetsched.model.medians import MIN_BLOCKS
from fleetsched.model.observation import merge
from fleetsched.model.timestamp import rfc3339
from fleetsched.model.workload import Workload

DEFAULT_REPEATS = 10
DEFAULT_WIDTH = 0.1
"""Of the interval of each arm's median, as a share of it: narrower ends the experiment."""

_UNMEASURED_EMULATED = ("energy", "caches", "numa")
_UNMEASURED_ICOUNT = ("parallel-speed",)


def least_repeats(comparisons: int) -> int:
    """How many runs of each arm it takes to show anything, also of the last candidate in a full line."""
    enough = (runs for runs in itertools.count(MIN_BLOCKS) if can_show(runs, comparisons, MOST_IN_LINE))
    return next(enough)


@dataclass(frozen=True, slots=True)
class ArmImage:
    """A scheduler with its object; None for the kernel's own."""

    arm: Arm
    image: bytes | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is measured.

    Attributes:
        policy: whose evidence it will be.
        arms: kernel-default first, then the incumbent if there is one, then the candidate.
        objectives: metrics that must be known precisely; empty = all.
        guardrails: the largest regression that is tolerated, as a share, by metric.
        repeats: runs of each arm, at most, without the warm-up.
        budget_s: of this machine's time; no block begins that would not end within it, judged by the longest.
        width: of the intervals that end it early; None = it never ends early.
        seed: of the order of the arms and of the workload's randomness.
    """

    policy: str
    workload: Workload
    arms: tuple[ArmImage, ...]
    objectives: tuple[str, ...] = ()
    guardrails: Mapping[str, float] = field(default_factory=dict, hash=False)
    repeats: int = DEFAULT_REPEATS
    budget_s: float | None = None
    width: float | None = DEFAULT_WIDTH
    seed: int = 1
    observe: bool = True


@dataclass(frozen=True, slots=True)
class Clock:
    """Where this machine's time comes from.

    Attributes:
        now_s: seconds of a clock that never goes back.
        utc: the time of day, in UTC.
    """

    now_s: Callable[[], float]
    utc: Callable[[], datetime]


def measure(target: Target, experiment: Experiment, say: Callable[[str], None], clock: Clock) -> Evidence:
    """Run the experiment.

    Args:
        target: where.
        experiment: what.
        say: told of every run.
        clock: for the budget and the record.

    Raises:
        EndedError: a policy was refused or ejected.
        WorkloadError: the workload failed, or printed no numbers.
        LabError, HostError: the target is lost.
        BuildError: a program of the workload does not compile.
    """
    began, began_s = clock.utc(), clock.now_s()
    target.prepare(experiment.workload)
    runs: list[dict[str, Run]] = []
    order: list[tuple[str, ...]] = []
    longest_s = 0.0
    ended: Literal["precise", "budget", "repeats"] = "repeats"
    for block in range(WARM_UPS + experiment.repeats):
        block_began_s = clock.now_s()
        arms = _shuffled(experiment, block)
        found = {each.arm.name: _run(target, experiment, each, block, say) for each in arms}
        longest_s = max(longest_s, clock.now_s() - block_began_s)
        if block >= WARM_UPS:
            runs.append(found)
            order.append(tuple(each.arm.name for each in arms))
            if _is_precise(experiment, runs):
                ended = "precise"
                break
        spent_s = clock.now_s() - began_s
        if experiment.budget_s is not None and runs and spent_s + longest_s > experiment.budget_s:
            ended = "budget" if len(runs) < experiment.repeats else "repeats"
            break
    measured = _measured(experiment, runs)
    return Evidence(
        policy=experiment.policy,
        workload=experiment.workload.name,
        workload_digest=workload_digest(experiment.workload),
        environment=target.environment,
        arms=tuple(each.arm for each in experiment.arms),
        measured=measured,
        comparisons=compare(measured, experiment.seed),
        unmeasured=unmeasured(target.environment),
        order=tuple(order),
        seed=experiment.seed,
        began=rfc3339(began),
        seconds=round(clock.now_s() - began_s, 1),
        ended=ended,
        fleetsched_version=fleetsched.__version__,
        distributions=_distributions(experiment, runs),
    )


def workload_digest(workload: Workload) -> str:
    """A digest of everything that a workload is made of, wherever it is written."""
    parts = asdict(workload)
    del parts["source"]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def unmeasured(environment: Environment) -> tuple[str, ...]:
    """Say what nothing can be known of in this environment."""
    if not environment.emulated:
        return ()
    return _UNMEASURED_EMULATED + (_UNMEASURED_ICOUNT if environment.clock == "icount" else ())


def block_seed(seed: int, block: int) -> int:
    """The workload's seed in a block: the same for all arms, another in each block."""
    return seed * 1000 + block


def _shuffled(experiment: Experiment, block: int) -> list[ArmImage]:
    arms = list(experiment.arms)
    random.Random(f"{experiment.seed}/{block}").shuffle(arms)  # noqa: S311 (for balance, not for secrecy)
    return arms


def _run(
    target: Target, experiment: Experiment, each: ArmImage, block: int, say: Callable[[str], None]
) -> Run:
    try:
        target.switch_to(each.arm, each.image)
        run = target.run(
            experiment.workload, seed=block_seed(experiment.seed, block), observe=experiment.observe
        )
    except HelperError as error:
        raise EndedError(error, each.arm, block) from error
    where = "warm-up" if block < WARM_UPS else f"block {block - WARM_UPS + 1}"
    numbers = ", ".join(f"{name} {value:g}" for name, value in run.metrics.items())
    say(f"{where}, {each.arm.name}: {numbers}")
    return run


def _names(runs: Sequence[Mapping[str, Run]]) -> list[str]:
    """The metrics that every run has, in the order of the first run."""
    every = [run.metrics for block in runs for run in block.values()]
    return [name for name in every[0] if all(name in metrics for metrics in every)]


def _is_precise(experiment: Experiment, runs: Sequence[Mapping[str, Run]]) -> bool:
    if experiment.width is None:
        return False
    found = _names(runs)
    if len(runs) < least_repeats(len(found) * (len(experiment.arms) - 1)):
        return False
    names = experiment.objectives or found
    return all(precise_enough(_samples(experiment, runs, name), experiment.width) for name in names)


def _samples(
    experiment: Experiment, runs: Sequence[Mapping[str, Run]], metric: str
) -> dict[str, tuple[float, ...]]:
    try:
        return {
            each.arm.name: tuple(block[each.arm.name].metrics[metric] for block in runs)
            for each in experiment.arms
        }
    except KeyError:
        raise WorkloadError(
            f"workload {experiment.workload.name}: not every run gave a number for {metric}"
        ) from None


def _measured(experiment: Experiment, runs: Sequence[Mapping[str, Run]]) -> tuple[Measured, ...]:
    measured = []
    for name in _names(runs):
        unit, better = unit_and_better(experiment.workload, name)
        samples = _samples(experiment, runs, name)
        measured.append(Measured(name, unit, better, samples, experiment.guardrails.get(name)))
    return tuple(measured)


def _distributions(experiment: Experiment, runs: Sequence[Mapping[str, Run]]) -> tuple[Distribution, ...]:
    """What the observer counted of the workload's tasks, all runs of an arm together."""
    found = []
    for kind in ("wakeup", "run_queue"):
        buckets = {}
        for each in experiment.arms:
            seen = [run.observation for run in (block[each.arm.name] for block in runs) if run.observation]
            keys = [key for one in seen for key in measured_keys(experiment.workload, one.keys)]
            buckets[each.arm.name] = merge(*(getattr(key.tally, kind).buckets for key in keys))
        if all(buckets.values()):
            found.append(Distribution(f"{kind}_latency", buckets))
    return tuple(found)
