# SPDX-License-Identifier: Apache-2.0
"""The words and numbers in which every page speaks of what was measured."""

from __future__ import annotations

import math

from fleetsched.model.dossier import Outcome
from fleetsched.model.evidence import (
    INCUMBENT,
    KERNEL_DEFAULT_ARM,
    Arm,
    Comparison,
    Environment,
    Evidence,
    Measured,
)
from fleetsched.model.wording import counted

ARM_TITLES = {KERNEL_DEFAULT_ARM: "kernel's own", INCUMBENT: "incumbent", "candidate": "candidate"}
LABELS = {
    "emulated": "emulated: an interpreter ran it, so caches, energy and NUMA cost are not a machine's",
    "icount": "icount: its clock counts instructions, so every instruction takes the same time",
}
"""What each label means, for people."""


def number(value: float) -> str:
    """Write a number with four significant digits, and without an exponent where people would write none."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-3 <= abs(value) < 1e7:
        decimals = max(0, 3 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3e}"


def amount(value: float, unit: str) -> str:
    """Write a number with its unit; `1` is that of counts and is not said."""
    return number(value) if unit == "1" else f"{number(value)} {unit}"


def percent(share: float) -> str:
    """Write a share as a signed percentage."""
    if not math.isfinite(share):
        return "beyond any share" if share > 0 else "below any share"
    return f"{share * 100:+.1f} %" if share else "0 %"


def interval(comparison: Comparison) -> str:
    """Write the interval of a change."""
    low, high = comparison.interval
    if not (math.isfinite(low) or math.isfinite(high)):
        return "no interval: too few runs"
    return f"{percent(low)} to {percent(high)}"


def p_value(value: float) -> str:
    """Write a probability; very small ones as a bound."""
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def direction(metric: Measured) -> str:
    """Say which way is better and what a guardrail tolerates."""
    better = "lower is better" if metric.better == "minimize" else "higher is better"
    return (
        better if metric.guardrail is None else f"{better}; guardrail: may lose {metric.guardrail * 100:g} %"
    )


def arm_text(arm: Arm) -> str:
    """Say which scheduler an arm is, with its parameters."""
    if not arm.policy:
        return "the kernel's own scheduler"
    parameters = ", ".join(f"{name} {_value(value)}" for name, value in arm.parameters.items())
    variant = f", variant {arm.variant}" if arm.variant not in ("", "default") else ""
    return f"{arm.policy}@{arm.digest[:12]}{variant}" + (f" ({parameters})" if parameters else "")


def _value(value: int | bool) -> str:
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def environment_text(environment: Environment) -> str:
    """Say where something was measured, in one line."""
    where = f"host {environment.host}" if environment.host else "a machine of the lab"
    cpus = counted(environment.cpus, "CPU")
    return (
        f"{where}: Linux {environment.kernel_release}, {environment.arch}, {cpus} "
        f"({environment.topology}), {environment.memory_mib:,} MiB, accelerator {environment.accelerator}"
    )


def blocks(evidence: Evidence) -> int:
    """Count the runs of each arm."""
    counts = (len(values) for metric in evidence.measured for values in metric.samples.values())
    return max(counts, default=len(evidence.order))


def runs_of_each(evidence: Evidence) -> str:
    """The same in words."""
    return f"{counted(blocks(evidence), 'run')} of each"


def ended_text(evidence: Evidence) -> str:
    """Say why measuring ended."""
    return {
        "precise": "until the medians were known well enough",
        "budget": "until the time was used up",
        "repeats": "as many as were asked for",
    }[evidence.ended]


def outcome_text(outcome: Outcome) -> str:
    """Say in one line what was found, with its numbers and labels."""
    comparison, evidence = outcome.comparison, outcome.evidence
    ours, theirs = number(comparison.medians[0]), amount(comparison.medians[1], outcome.measured.unit)
    labels = "".join(f", {label}" for label in evidence.environment.labels)
    held = "" if outcome.guardrails_held else "; but not every guardrail was shown to hold"
    return (
        f"{comparison.metric} on {evidence.workload}, Linux {evidence.kernel}{labels}: "
        f"{ours} against {theirs}, {percent(comparison.change)} ({interval(comparison)}){held}"
    )
