# SPDX-License-Identifier: Apache-2.0
"""How often the statistics find a difference where none is: draws from recorded runs of one scheduler.

Both arms of a draw are runs of the kernel's own scheduler, taken at random, with replacement, from those
that are recorded: whatever is found is false. With a rate of 5 % at most 123 of 2,000 draws are false in
99 % of all times (binomial). Two more rates are shown: of significance alone, without the effect that a
finding needs, and of findings when measuring stops as soon as the arms' intervals are narrow, looked at
after every block.

    python benchmarks/bench_aa.py [FILE...]     default: tests/data/aa/*.json
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetsched.bench.statistics import compare, precise_enough
from fleetsched.fleetrepo.evidence import read_evidence
from fleetsched.model.evidence import ALPHA, CANDIDATE, KERNEL_DEFAULT_ARM, Evidence, Finding, Measured

RECORDED = Path(__file__).resolve().parent.parent / "tests" / "data" / "aa"
DRAWS = 2000
MOST_FALSE = 123
"""The 99 % quantile of the number of false draws among `DRAWS` when each is false with 5 %."""
_WIDTH = 0.1  # of the intervals at which measuring stops
_FEWEST, _MOST = 6, 20


@dataclass(frozen=True, slots=True)
class FalseDraws:
    """In how many draws something was found in at least one metric.

    Attributes:
        found: better or worse.
        significant: p after Holm, whatever the effect.
    """

    found: int
    significant: int


def load(file: Path) -> Evidence:
    """Read recorded runs.

    Raises:
        SystemExit: the file is wrong.
    """
    evidence, problems = read_evidence(file, str(file))
    if evidence is None:
        raise SystemExit("\n".join(map(str, problems)))
    return evidence


def runs_of_the_default(evidence: Evidence) -> list[tuple[float, ...]]:
    """List the runs of the kernel's own scheduler, each with all its metrics, in their order."""
    names = [arm.name for arm in evidence.arms if not arm.policy]
    return [
        run
        for name in names
        for run in zip(*(metric.samples[name] for metric in evidence.measured), strict=True)
    ]


def draws(evidence: Evidence, blocks: int, seed: int) -> Iterator[list[Measured]]:
    """Draw experiments without a difference, without an end. A run's metrics stay together."""
    source, runs = random.Random(seed), runs_of_the_default(evidence)
    while True:
        arms = {name: source.choices(runs, k=blocks) for name in (KERNEL_DEFAULT_ARM, CANDIDATE)}
        yield [
            Measured(
                metric.metric,
                metric.unit,
                metric.better,
                {name: tuple(run[place] for run in chosen) for name, chosen in arms.items()},
                metric.guardrail,
            )
            for place, metric in enumerate(evidence.measured)
        ]


def false_draws(evidence: Evidence, count: int, blocks: int, seed: int, *, stop: bool = False) -> FalseDraws:
    """Count the draws in which a difference is found.

    Args:
        evidence: the recorded runs.
        count: how many draws.
        blocks: runs of each arm in a draw.
        seed: of the draws.
        stop: end each draw as soon as it is precise enough.
    """
    found = significant = 0
    for _, drawn in zip(range(count), draws(evidence, blocks, seed), strict=False):
        comparisons = compare(_stopped(drawn, blocks) if stop else drawn, seed)
        found += any(each.finding in (Finding.BETTER, Finding.WORSE) for each in comparisons)
        significant += any(each.p_holm <= ALPHA for each in comparisons)
    return FalseDraws(found, significant)


def _stopped(drawn: Sequence[Measured], blocks: int) -> list[Measured]:
    """Keep the blocks until the first look at which all metrics are known well enough."""
    for count in range(_FEWEST, blocks + 1):
        kept = [
            Measured(
                each.metric,
                each.unit,
                each.better,
                {name: values[:count] for name, values in each.samples.items()},
                each.guardrail,
            )
            for each in drawn
        ]
        if all(precise_enough(each.samples, _WIDTH) for each in kept):
            return kept
    return list(drawn)


def main(files: Sequence[Path]) -> int:
    """Print the rates of every file; fail when one is above the bound."""
    most = 0
    print(f"{'recorded runs':<34} blocks     found  significant   of {DRAWS:,} draws (bound {MOST_FALSE})")
    for file in files:
        evidence = load(file)
        for blocks, stop in ((6, False), (10, False), (20, False), (_MOST, True)):
            counted = false_draws(evidence, DRAWS, blocks, seed=1, stop=stop)
            shown = f"{_FEWEST} to {blocks}" if stop else str(blocks)
            print(f"{file.stem:<34} {shown:<9} {counted.found:>6}  {counted.significant:>11}")
            most = max(most, counted.found, counted.significant)
    return int(most > MOST_FALSE)


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]] or sorted(RECORDED.glob("*.json"))))
