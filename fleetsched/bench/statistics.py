# SPDX-License-Identifier: Apache-2.0
"""Raw samples to what they say of the candidate. Pure: the same samples and seed give the same answer.

**Test.** Mann and Whitney's, two-sided, exact (`ranks`). The runs of a block are paired, and Wilcoxon's
signed ranks would use that; but with n blocks its smallest p is 2 / 2^n, which after Holm over eight
comparisons needs nine blocks, where Mann and Whitney's 2 / (2n over n) needs six, and a run of an
emulated machine is dear. What blocks share (drift, a neighbour's load) only makes it the more cautious,
because arms are interleaved: it widens both arms alike. It is also the test whose effect size is Cliff's
delta. Blocks do count in the interval.

**Better and worse** need a p below `ALPHA` after Holm over all comparisons of the experiment, and an
effect: the medians apart by `MIN_CHANGE`, and Cliff's delta of `MIN_EFFECT`. Any difference is
significant with enough runs; these say which are worth a person's attention.

**Similar** is no lack of evidence but evidence of its own: not worse by more than a margin, in a
one-sided test against the other arm's numbers made worse by the margin (Wellek 2010, non-inferiority). A
guardrail has its own margin, and within it even a sure loss is similar: that is what it tolerates.
Guardrails must hold all together, so their tests need no correction. A metric without a margin is similar
when it is within `MIN_CHANGE` both ways.

**Interval.** Of the ratio of medians, by the percentile bootstrap over whole blocks (Efron and Tibshirani
1993, chapter 13). docs/evidence.md says how often it holds the truth.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from fleetsched.bench.ranks import dominance, holm, rank_test
from fleetsched.model.evidence import ALPHA, CANDIDATE, Comparison, Finding, Measured
from fleetsched.model.medians import CONFIDENCE, MIN_BLOCKS, median_interval

MIN_CHANGE = 0.03
"""Medians closer than this are not called different: so little can come from where things happen to lie
in memory (Mytkowicz and others, 2009)."""
MIN_EFFECT = 0.33
"""Cliff's delta from which Romano and others (2006) call an effect medium: two of three pairs."""
_RESAMPLES = 4000


def compare(measured: Sequence[Measured], seed: int) -> tuple[Comparison, ...]:
    """Say what the samples of one experiment say of its candidate, against every other arm in every metric.

    Args:
        measured: all metrics of the experiment: the correction is over all of them.
        seed: of the bootstrap.

    Raises:
        ValueError: arms have no samples, not equally many, or numbers that are not finite.
    """
    questions = [
        _question(metric, against, seed)
        for metric in measured
        for against in metric.samples
        if CANDIDATE in metric.samples and against != CANDIDATE
    ]
    corrected = holm([each.comparison.p_value for each in questions])
    return tuple(
        replace(each.comparison, p_holm=p_holm, finding=_finding(each, p_holm))
        for each, p_holm in zip(questions, corrected, strict=True)
    )


def precise_enough(samples: Mapping[str, Sequence[float]], width: float) -> bool:
    """Say whether the median of every arm is known well enough to stop measuring.

    Looking after every block and stopping when the arms *differ* would find differences where none are.
    So this never compares arms: it looks at each by itself, and waits until the interval of its median
    (95 %, from the order of its numbers alone) is narrow. Arms that do not differ are then as likely to
    be stopped at one moment as at another, whichever looks better. This is no proof: an arm's spread says
    a little of its median where numbers are skewed. `benchmarks/bench_aa.py` measures what is left: the
    rate of false findings with this stop and without.

    Args:
        samples: one metric, by arm.
        width: of the interval, as a share of the median.
    """
    return all(_is_narrow(values, width) for values in samples.values())


def _is_narrow(values: Sequence[float], width: float) -> bool:
    low, high = median_interval(values)
    return high - low <= width * abs(median(values))


@dataclass(frozen=True, slots=True)
class _Question:
    """A comparison but for what depends on all others.

    Attributes:
        is_no_worse, is_no_better: by more than the margin: what the one-sided tests say.
    """

    comparison: Comparison
    guardrail: float | None
    has_better_median: bool
    is_no_worse: bool
    is_no_better: bool


def _question(metric: Measured, against: str, seed: int) -> _Question:
    candidate, other = metric.samples[CANDIDATE], metric.samples[against]
    _check(metric.metric, candidate, other)
    # Smaller is better from here on.
    sign = 1 if metric.better == "minimize" else -1
    ours, theirs = [sign * value for value in candidate], [sign * value for value in other]
    margin = MIN_CHANGE if metric.guardrail is None else metric.guardrail
    comparison = Comparison(
        metric=metric.metric,
        against=against,
        medians=(median(candidate), median(other)),
        change=_change(median(candidate), median(other)),
        interval=_interval(candidate, other, (seed, zlib.crc32(metric.metric.encode()))),
        p_value=rank_test(candidate, other).two_sided,
        p_holm=1.0,
        effect=-dominance(ours, theirs) + 0.0,
        finding=Finding.INCONCLUSIVE,
    )
    return _Question(
        comparison,
        metric.guardrail,
        has_better_median=median(ours) < median(theirs),
        is_no_worse=_is_below(ours, theirs, margin),
        is_no_better=_is_below(theirs, ours, margin),
    )


def _check(metric: str, *arms: Sequence[float]) -> None:
    if len({len(values) for values in arms}) != 1 or not arms[0]:
        raise ValueError(f"{metric}: every arm needs one sample a block, and one block or more")
    if not all(math.isfinite(value) for values in arms for value in values):
        raise ValueError(f"{metric}: a sample is not a finite number")


def _is_below(ours: Sequence[float], theirs: Sequence[float], margin: float) -> bool:
    """Say whether ours are, for sure, below theirs and a margin, a share of each.

    Numbers that are all one number are not tested: a margin of nothing, which is what zeros have, has no
    room.
    """
    if len({*ours, *theirs}) == 1:
        return len(ours) >= MIN_BLOCKS
    return rank_test(ours, [value + margin * abs(value) for value in theirs]).smaller <= ALPHA


def _finding(question: _Question, p_holm: float) -> Finding:
    found = question.comparison
    least = MIN_CHANGE if question.guardrail is None else min(MIN_CHANGE, question.guardrail)
    is_sure = p_holm <= ALPHA and abs(found.effect) >= MIN_EFFECT and _are_apart(*found.medians, least)
    if is_sure and found.effect > 0 and question.has_better_median:
        return Finding.BETTER
    if question.guardrail is not None and question.is_no_worse:
        return Finding.SIMILAR
    if is_sure and found.effect < 0 and not question.has_better_median:
        return Finding.WORSE
    if question.guardrail is None and question.is_no_worse and question.is_no_better:
        return Finding.SIMILAR
    return Finding.INCONCLUSIVE


def _are_apart(first: float, second: float, least: float) -> bool:
    """Compare with the smaller one, so that it does not matter which arm is called the candidate."""
    return first != second and abs(first - second) >= least * min(abs(first), abs(second))


def _change(ours: float, theirs: float) -> float:
    if ours == theirs:
        return 0.0
    return (ours - theirs) / abs(theirs) if theirs else math.copysign(math.inf, ours)


def _interval(candidate: Sequence[float], other: Sequence[float], seed: Sequence[int]) -> tuple[float, float]:
    """Resample blocks, not runs: what the runs of a block share does not widen it."""
    import numpy as np

    count = len(candidate)
    if count < MIN_BLOCKS:
        return -math.inf, math.inf
    # The old generator: numpy promises that its numbers never change (NEP 19), and evidence is recomputed.
    source = np.random.RandomState([part % 2**32 for part in seed])
    blocks = source.randint(0, count, (_RESAMPLES, count))
    ours, theirs = (np.median(np.asarray(values)[blocks], axis=1).tolist() for values in (candidate, other))
    changes = sorted(map(_change, ours, theirs))
    beyond = round(_RESAMPLES * (1 - CONFIDENCE) / 2) - 1
    return changes[beyond], changes[-1 - beyond]
