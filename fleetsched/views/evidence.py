# SPDX-License-Identifier: Apache-2.0
"""What an experiment found, as text for 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from fleetsched.model.dossier import broken_guardrails
from fleetsched.model.evidence import KERNEL_DEFAULT_ARM, Comparison, Evidence, Finding, Measured
from fleetsched.views.fill import fill, labelled
from fleetsched.views.measures import (
    ARM_TITLES,
    LABELS,
    arm_text,
    blocks,
    direction,
    ended_text,
    environment_text,
    interval,
    number,
    p_value,
    percent,
)


def evidence_text(evidence: Evidence) -> str:
    """What was compared, every metric, and what it comes to."""
    lines = [f"{evidence.policy} on workload {evidence.workload}, Linux {evidence.kernel}", ""]
    lines += [labelled("where", environment_text(evidence.environment))]
    lines += [labelled(arm.name.removeprefix("kernel-"), arm_text(arm)) for arm in evidence.arms]
    lines += [labelled("runs", f"{blocks(evidence)} of each, interleaved, {ended_text(evidence)}")]
    lines += [labelled("beware", LABELS[label]) for label in evidence.environment.labels]
    if evidence.unmeasured:
        lines.append(labelled("unmeasured", f"{', '.join(evidence.unmeasured)}: nothing here is about them"))
    by_name = {metric.metric: metric for metric in evidence.measured}
    for against in dict.fromkeys(each.against for each in evidence.comparisons):
        lines += ["", f"Against the {_scheduler(against)}"]
        for comparison in evidence.comparisons:
            if comparison.against == against:
                lines += _comparison(comparison, by_name[comparison.metric])
        lines += ["", *_conclusion(evidence, against)]
    if not evidence.comparisons:
        lines += ["", *(line for metric in evidence.measured for line in _alone(metric))]
    return "\n".join(lines)


def _scheduler(against: str) -> str:
    return "kernel's own scheduler" if against == KERNEL_DEFAULT_ARM else against


def _comparison(comparison: Comparison, metric: Measured) -> Iterator[str]:
    ours, theirs = map(number, comparison.medians)
    yield f"  {comparison.metric} ({metric.unit}, {direction(metric)})"
    change = f"{percent(comparison.change)} ({interval(comparison)})"
    yield fill(f"{ours} against {theirs}: {change}", f"    {comparison.finding:<12}  ", " " * 18)
    yield (
        f"    {'':<12}  effect {comparison.effect:+.2f}, p {p_value(comparison.p_value)}, "
        f"corrected {p_value(comparison.p_holm)}"
    )


def _conclusion(evidence: Evidence, against: str) -> Iterator[str]:
    findings = [each.finding for each in evidence.comparisons if each.against == against]
    counts = [f"{findings.count(finding)} {finding}" for finding in Finding if finding in findings]
    yield f"  {', '.join(counts)}"
    if any(metric.guardrail is not None for metric in evidence.measured):
        broken = broken_guardrails(evidence, against)
        said = f"not shown to hold: {', '.join(broken)}" if broken else "hold"
        yield fill(f"guardrails {said}", "  ")


def _alone(metric: Measured) -> Iterator[str]:
    yield f"  {metric.metric} ({metric.unit}, {direction(metric)})"
    for arm, values in metric.samples.items():
        yield f"    {ARM_TITLES[arm]:<12}  {number(min(values))} to {number(max(values))}"
