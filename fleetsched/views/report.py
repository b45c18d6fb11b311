# SPDX-License-Identifier: Apache-2.0
"""What is known of a policy as one page that needs nothing else: no script, no request, no font."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import StrictUndefined, Template
from markupsafe import Markup

from fleetsched.model.dossier import Dossier, outcomes
from fleetsched.model.evidence import Comparison, Evidence, Finding
from fleetsched.model.gate import Gate, GateReport, GateResult
from fleetsched.model.observation import percentile_us
from fleetsched.model.wording import counted
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
    outcome_text,
    p_value,
    percent,
    runs_of_each,
)
from fleetsched.views.plots import distribution_plot, samples_plot
from fleetsched.views.policy import facts, suits_text

_TEMPLATE = "report.html.j2"


def report_html(dossier: Dossier, home: str = "") -> str:
    """Everything that is known of a policy, for a browser; `home` is where a link back leads, if anywhere."""
    experiments = [_experiment(each, place) for place, each in enumerate(dossier.evidence, 1)]
    labels = dict.fromkeys(label for each in dossier.evidence for label in each.environment.labels)
    return _template().render(
        policy=dossier.policy,
        home=home,
        facts=list(_facts(dossier)),
        short=_short(dossier),
        wins=list(_outcomes(dossier, Finding.BETTER)),
        losses=list(_outcomes(dossier, Finding.WORSE)),
        gates=[_gates(report, dossier.gates_commit) for report in dossier.gates],
        stale=dossier.stale,
        experiments=experiments,
        labels=[LABELS[label] for label in labels],
    )


@cache
def _template() -> Template:
    text = resources.files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")
    return Templates(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True).from_string(text)


def _facts(dossier: Dossier) -> Iterator[tuple[str, str]]:
    policy, lock = dossier.policy, dossier.lock
    said = {
        **facts(policy),
        "Watchdog": f"{policy.timeout_s:g} s",
        "Objects": ", ".join(f"{name} {digest[:12]}" for name, digest in lock.variants.items())
        if lock
        else "not locked",
        "Suits": suits_text(policy),
        "Origin": policy.provenance.origin,
    }
    yield from ((name, text) for name, text in said.items() if text)


def _short(dossier: Dossier) -> str:
    if not dossier.evidence:
        return "Nothing was measured of this policy as it is locked."
    counts = {finding: len(list(outcomes(dossier, finding))) for finding in Finding}
    said = ", ".join(f"{counts[finding]} {finding}" for finding in Finding)
    kernels = ", ".join(dict.fromkeys(each.kernel for each in dossier.evidence))
    workloads = len({each.workload for each in dossier.evidence})
    return (
        f"Against the kernel's own scheduler, by metric: {said}. {counted(workloads, 'workload')}, "
        f"Linux {kernels}, {counted(len(dossier.evidence), 'experiment')}."
    )


def _outcomes(dossier: Dossier, finding: Finding) -> Iterator[str]:
    yield from (_together(outcome_text(each)) for each in outcomes(dossier, finding))


def _together(text: str) -> str:
    """Keep a number and its sign of percent on one line."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _gates(report: GateReport, commit: str) -> dict[str, Any]:
    seen = {result.gate for result in report.results}
    gates = [gate for gate in Gate if gate in seen]
    kernels = dict.fromkeys(result.kernel for result in report.results)
    rows = []
    for kernel in kernels:
        by_gate = {result.gate: result for result in report.results if result.kernel == kernel}
        rows.append({"kernel": kernel or "any", "cells": [_cell(by_gate.get(gate)) for gate in gates]})
    return {
        "variant": report.variant,
        "digest": report.digest[:12],
        "commit": commit[:12],
        "gates": gates,
        "rows": rows,
    }


def _cell(result: GateResult | None) -> dict[str, str] | None:
    if result is None:
        return None
    return {"verdict": result.verdict, "why": result.findings[0].code if result.findings else ""}


def _experiment(evidence: Evidence, place: int) -> dict[str, Any]:
    return {
        "id": f"experiment-{place}",
        "workload": evidence.workload,
        "kernel": evidence.kernel,
        "labels": evidence.environment.labels,
        "unmeasured": ", ".join(evidence.unmeasured),
        "where": environment_text(evidence.environment),
        "how": (
            f"{runs_of_each(evidence)}, interleaved, {ended_text(evidence)}; began {evidence.began}, "
            f"took {evidence.seconds:,.0f} s; fleetsched {evidence.fleetsched_version}; seed {evidence.seed}"
        ),
        "arms": [(ARM_TITLES[arm.name], arm_text(arm)) for arm in evidence.arms],
        "plots": [*_sample_plots(evidence, place), *_distribution_plots(evidence, place)],
        "comparisons": list(_comparisons(evidence)),
        "distributions": list(_percentiles(evidence)),
        "blocks": blocks(evidence),
        "runs": [
            {"metric": metric.metric, "arm": ARM_TITLES[arm], "numbers": [number(value) for value in values]}
            for metric in evidence.measured
            for arm, values in metric.samples.items()
        ],
    }


def _sample_plots(evidence: Evidence, place: int) -> Iterator[dict[str, Any]]:
    for index, metric in enumerate(evidence.measured, 1):
        yield {
            "metric": metric.metric,
            "direction": direction(metric),
            "words": [
                {"finding": each.finding, "text": _together(_than(each))}
                for each in evidence.comparisons
                if each.metric == metric.metric
            ],
            "svg": Markup(samples_plot(metric, f"plot-{place}-{index}")),  # noqa: S704 plots escapes
        }


def _distribution_plots(evidence: Evidence, place: int) -> Iterator[dict[str, Any]]:
    for index, each in enumerate(evidence.distributions, 1):
        if any(each.buckets.values()):
            svg = distribution_plot(each.metric, each.buckets, f"waits-{place}-{index}")
            yield {
                "metric": each.metric,
                "direction": "every wait of every run; further left and lower is better",
                "words": [],
                "svg": Markup(svg),  # noqa: S704 plots escapes
            }


def _than(comparison: Comparison) -> str:
    is_decided = comparison.finding in (Finding.BETTER, Finding.WORSE)
    return f"{'than' if is_decided else 'against'} {_other(comparison.against)}: {percent(comparison.change)}"


def _other(against: str) -> str:
    return "the kernel's own" if against == "kernel-default" else f"the {against}"


def _comparisons(evidence: Evidence) -> Iterator[dict[str, str]]:
    units = {metric.metric: metric.unit for metric in evidence.measured}
    for each in evidence.comparisons:
        yield {
            "metric": each.metric,
            "finding": each.finding,
            "against": ARM_TITLES[each.against],
            "ours": number(each.medians[0]),
            "theirs": number(each.medians[1]),
            "unit": units[each.metric],
            "change": percent(each.change),
            "interval": interval(each),
            "effect": f"{each.effect:+.2f}",
            "p": p_value(each.p_holm),
        }


def _percentiles(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for each in evidence.distributions:
        yield {
            "metric": each.metric,
            "rows": [
                (
                    ARM_TITLES[arm],
                    f"{sum(count for _, count in buckets):,}",
                    *(f"{percentile_us(buckets, share):,}" for share in (50, 95, 99, 100)),
                )
                for arm, buckets in each.buckets.items()
            ],
        }
