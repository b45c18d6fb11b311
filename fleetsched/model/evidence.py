# SPDX-License-Identifier: Apache-2.0
"""What was measured of a policy, raw, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from fleetsched.model.metrics import Direction
from fleetsched.model.observation import Buckets

Scalar = int | bool
Accelerator = Literal["tcg", "kvm", "none"]

KERNEL_DEFAULT_ARM = "kernel-default"
INCUMBENT = "incumbent"
CANDIDATE = "candidate"
ALPHA = 0.05
"""How often anything of an experiment may be called better or worse by luck alone."""
MOST_IN_LINE = 3
"""Candidates of one goal that are compared one after the other until one is better (docs/adr/0028)."""
SHORT_DIGEST = 12
"""Hex digits of a digest in the name of a file."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where something was measured.

    Attributes:
        topology: `flat`, `smt`, `two-llc` or `two-node`; of a real host what its facts say.
        accelerator: `tcg`, `kvm`, or `none` for a real host.
        clock: `icount`: time follows executed instructions; `real`: the guest's own clock.
        host: its name in the inventory, a lab's hosts too; empty for a machine that is made for runs.
    """

    kernel_release: str
    arch: str
    cpus: int
    topology: str
    memory_mib: int
    accelerator: Accelerator
    clock: Literal["icount", "real"]
    host: str = ""

    @property
    def emulated(self) -> bool:
        """Whether caches, energy and NUMA cost are not what a machine has."""
        return self.accelerator == "tcg"

    @property
    def labels(self) -> tuple[str, ...]:
        """What every reader of its numbers has to know: `emulated`, `icount`."""
        return (*(("emulated",) if self.emulated else ()), *(("icount",) if self.clock == "icount" else ()))


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the schedulers that are compared.

    Attributes:
        name: `kernel-default`, `incumbent` or `candidate`.
        policy: its name; empty for the kernel's own scheduler.
        digest: of its object, 64 hex digits; empty for the kernel's own scheduler.
        parameters: all of them, with their defaults.
    """

    name: str
    policy: str = ""
    variant: str = ""
    digest: str = ""
    parameters: Mapping[str, Scalar] = field(default_factory=dict, hash=False)


class Finding(StrEnum):
    """What a comparison says of the candidate; `SIMILAR`: not worse by more than a guardrail's margin."""

    BETTER = "better"
    WORSE = "worse"
    SIMILAR = "similar"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of one workload, by arm.

    Attributes:
        unit, better: as the metric has them.
        samples: by the arm's name, one number a run, in the order of the blocks: the n-th of every arm ran in
            the same block. Warm-up runs are not here.
        guardrail: the largest regression that is tolerated, as a share (0.05 = 5 %); None = no guardrail.
    """

    metric: str
    unit: str
    better: Direction
    samples: Mapping[str, tuple[float, ...]] = field(hash=False)
    guardrail: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The candidate against one other arm, in one metric.

    Attributes:
        medians: of the candidate and of the other arm.
        change: of the median as a share of the other arm's: -0.5 = half; the direction is the metric's.
        interval: of `change`, 95 %.
        p_value, p_holm: of a two-sided rank test, alone and corrected over all of the experiment's metrics.
        effect: Cliff's delta, -1 to 1; above 0 = the candidate is better, whatever the direction.
    """

    metric: str
    against: str
    medians: tuple[float, float]
    change: float
    interval: tuple[float, float]
    p_value: float
    p_holm: float
    effect: float
    finding: Finding

    def is_better(self, one_of: int = 1) -> bool:
        """Whether the candidate is better for sure, also as one of so many for whom the same was asked.

        Bonferroni's correction, for candidates that are compared one after the other until one is better:
        it holds in any order, and whatever their measurements have in common.
        """
        return self.finding is Finding.BETTER and self.p_holm * one_of <= ALPHA


def can_show(runs: int, comparisons: int, one_of: int = 1) -> bool:
    """Whether so many runs of each arm can show that a candidate is better, by whatever numbers.

    Of the (2n over n) ways to deal 2n numbers to two arms one is as extreme as can be on either side, and
    Holm's correction begins with the number of comparisons.

    Args:
        runs: of each arm.
        comparisons: of the experiment.
        one_of: how many candidates stand in line.
    """
    return 2 / math.comb(2 * runs, runs) * comparisons * one_of <= ALPHA


@dataclass(frozen=True, slots=True)
class Distribution:
    """How long tasks waited for a CPU, all runs together, by arm.

    Attributes:
        metric: what was counted, such as `wakeup_latency`.
        buckets: by the arm's name, as the observer counts: where each ends, in ns, and how many are in it.
    """

    metric: str
    buckets: Mapping[str, Buckets] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One experiment: a workload, the arms, raw samples and what follows from them.

    Attributes:
        workload_digest: SHA-256 of everything the workload is made of (document and files).
        unmeasured: what this environment cannot judge, such as `energy`, `caches`, `numa`.
        order: the arms in the order in which they ran, block by block.
        began: in UTC, ISO 8601.
        seconds: of this machine's time.
        distributions: of what the observer counted, where it was asked; never with warm-up runs.
        ended: why it ended: `precise` (intervals small enough), `budget`, or `repeats`.
    """

    policy: str
    workload: str
    workload_digest: str
    environment: Environment
    arms: tuple[Arm, ...]
    measured: tuple[Measured, ...]
    comparisons: tuple[Comparison, ...]
    unmeasured: tuple[str, ...]
    order: tuple[tuple[str, ...], ...]
    seed: int
    began: str
    seconds: float
    ended: Literal["precise", "budget", "repeats"]
    fleetsched_version: str
    distributions: tuple[Distribution, ...] = ()

    @property
    def candidate(self) -> Arm:
        """The arm that it is about."""
        return next(arm for arm in self.arms if arm.name == CANDIDATE)

    @property
    def kernel(self) -> str:
        """Major and minor version of the kernel."""
        return kernel_version(self.environment.kernel_release)

    @property
    def file_name(self) -> str:
        """What its file is called: one a candidate's object, workload and kernel, and real host."""
        parts = (self.candidate.digest[:SHORT_DIGEST], self.workload, self.kernel, self.environment.host)
        return f"{'-'.join(filter(None, parts))}.json"


def kernel_version(release: str) -> str:
    """Shorten a kernel's release to major and minor version."""
    return ".".join(release.split("-")[0].split(".")[:2])
