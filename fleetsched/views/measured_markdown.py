# SPDX-License-Identifier: Apache-2.0
"""What was measured and what gates said, as sections of Markdown with tables of a bounded number of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetsched.model.dossier import broken_guardrails
from fleetsched.model.evidence import KERNEL_DEFAULT_ARM, Comparison, Evidence, Finding, kernel_version
from fleetsched.model.gate import Gate, GateReport, GateVerdict
from fleetsched.model.wording import counted
from fleetsched.views.markdown import code, plain
from fleetsched.views.measures import (
    LABELS,
    direction,
    environment_text,
    interval,
    number,
    percent,
    runs_of_each,
)

_MARKS = {
    GateVerdict.PASSED: "passed",
    GateVerdict.FAILED: "**failed**",
    GateVerdict.SKIPPED: "skipped",
    GateVerdict.ERROR: "could not run",
}
_MOST_EXPERIMENTS = 20


def measured_markdown(
    evidence: Sequence[Evidence], held_out: Sequence[str], rows: int, unmeasured: Sequence[str] = ()
) -> Iterator[str]:
    """A table an experiment: the metric, both medians, the change with its interval, what it means.

    Args:
        evidence: by workload.
        held_out: workloads that nothing was chosen on.
        rows: the most of each table; 0 = no tables.
        unmeasured: metrics of guardrails that nothing measured: each is a row of every table.
    """
    yield "### What was measured"
    yield ""
    if not evidence:
        yield "Nothing: it was chosen by what policies declare of themselves."
        yield ""
    for each in evidence[:_MOST_EXPERIMENTS]:
        yield from _experiment(each, each.workload in held_out, rows, unmeasured)
    if len(evidence) > _MOST_EXPERIMENTS:
        yield f"... cut: {len(evidence)} experiments in all; their files are in this change."
        yield ""


def _experiment(evidence: Evidence, held_out: bool, rows: int, unmeasured: Sequence[str]) -> Iterator[str]:
    role = ", held out: nothing was chosen on it" if held_out else ""
    yield f"**Workload {code(evidence.workload, 64)}**{role}: {runs_of_each(evidence)}, interleaved."
    yield f"On {plain(environment_text(evidence.environment), 300)}."
    yield from (f"_{LABELS[label]}_." for label in evidence.environment.labels)
    if evidence.unmeasured:
        yield f"Not measured here: {plain(', '.join(evidence.unmeasured), 200)}."
    yield ""
    if rows == 0:
        yield f"... cut: {counted(len(evidence.comparisons), 'comparison')}; the files of evidence have them."
        yield ""
        return
    by_name = {metric.metric: metric for metric in evidence.measured}
    yield "| metric | against | it | the other | change, 95 % interval | finding |"
    yield "|---|---|---|---|---|---|"
    for comparison in evidence.comparisons[:rows]:
        metric = by_name[comparison.metric]
        cells = (
            f"{code(comparison.metric, 64)} ({plain(metric.unit, 20)}, {direction(metric)})",
            _against(comparison),
            *map(number, comparison.medians),
            f"{percent(comparison.change)} ({interval(comparison)})",
            str(comparison.finding),
        )
        yield f"| {' | '.join(cells)} |"
    for name in unmeasured:
        yield f"| {code(name, 64)} (guardrail) | - | - | - | - | **not measured** |"
    yield from _cut(len(evidence.comparisons), rows)
    yield ""


def _against(comparison: Comparison) -> str:
    return "the kernel's own" if comparison.against == KERNEL_DEFAULT_ARM else plain(comparison.against, 40)


def loses_markdown(evidence: Sequence[Evidence], rows: int, unmeasured: Sequence[str] = ()) -> Iterator[str]:
    """What got worse, what was not shown not to, and the guardrails that nothing measured."""
    yield "### What it loses"
    yield ""
    lines = [
        f"- {code(metric, 64)} is a guardrail that was **not measured**: no workload of the goal gives a "
        "number for it, so nothing here says whether it is kept. The goal accepts that; decide whether you do"
        for metric in unmeasured
    ]
    lines += _losses(evidence)
    most = max(rows, 1)
    if not evidence:
        yield "Unknown: nothing was measured. Its README says where its author expects it to fail."
    elif not lines:
        guarded = any(metric.guardrail is not None for each in evidence for metric in each.measured)
        yield "Nothing of what was measured got worse" + (", and all guardrails hold." if guarded else ".")
    yield from lines[:most]
    if len(lines) > most:
        yield f"- ... cut: {len(lines)} in all"
    yield ""


def _losses(evidence: Sequence[Evidence]) -> Iterator[str]:
    for each in evidence:
        where = f"on {code(each.workload, 64)}, Linux {plain(each.kernel, 20)}"
        for comparison in each.comparisons:
            change = f"{percent(comparison.change)} ({interval(comparison)}) against {_against(comparison)}"
            if comparison.finding is Finding.WORSE:
                yield f"- {code(comparison.metric, 64)} is **worse** {where}: {change}"
            elif comparison.metric in broken_guardrails(each, comparison.against):
                yield f"- {code(comparison.metric, 64)} is **not shown to hold** {where}: {change}"


def gates_markdown(gates: Sequence[GateReport], rows: int) -> Iterator[str]:
    """A row a kernel and variant, a column a gate."""
    yield "### Gates"
    yield ""
    if not gates:
        yield "Not run for this change; `fleetsched verify` runs them."
        yield ""
        return
    asked = [gate for gate in Gate if any(each.gate is gate for report in gates for each in report.results)]
    yield f"| object | Linux | {' | '.join(asked)} |"
    yield f"|---|---|{'---|' * len(asked)}"
    table = [line for report in gates for line in _gate_rows(report, asked)]
    most = max(rows, 6)
    yield from table[:most]
    yield from _cut(len(table), most)
    yield ""
    for report in gates:
        stopped = report.stopped_by
        if stopped is not None:
            said = stopped.findings[0].message if stopped.findings else "see its log"
            yield f"{code(report.policy)} is stopped by {stopped.gate}: {code(said, 200)}"
            yield ""


def _gate_rows(report: GateReport, asked: Sequence[Gate]) -> Iterator[str]:
    kernels = list(dict.fromkeys(each.kernel for each in report.results if each.kernel))
    name = code(f"{report.policy}@{report.digest[:12]}" + _variant(report.variant), 100)
    for kernel in kernels or [""]:
        said = {each.gate: _MARKS[each.verdict] for each in report.results if each.kernel in ("", kernel)}
        marks = " | ".join(said.get(gate, "-") for gate in asked)
        yield f"| {name} | {plain(kernel_version(kernel), 20) or '-'} | {marks} |"


def _variant(variant: str) -> str:
    return f", variant {variant}" if variant not in ("", "default") else ""


def _cut(count: int, most: int) -> Iterator[str]:
    if count > most:
        yield ""
        yield f"... cut: {count} rows in all."
