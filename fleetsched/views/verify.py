# SPDX-License-Identifier: Apache-2.0
"""What gates said, for 80 columns and for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from fleetsched.model.evidence import KERNEL_DEFAULT_ARM
from fleetsched.model.gate import GateFigure, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.gate_records import FORMAT, VERSION, report_record
from fleetsched.model.wording import printable
from fleetsched.views.measures import amount, interval, number, percent
from fleetsched.views.plan import WIDTH

_MARKS = {
    GateVerdict.PASSED: " ",
    GateVerdict.FAILED: "!",
    GateVerdict.SKIPPED: "-",
    GateVerdict.ERROR: "?",
}
_MOST_FINDINGS = 5
_LOG_LINES = 12


def verify_text(reports: Sequence[GateReport]) -> str:
    """A block a variant: a line a gate, under a failure what was found and what to do, and the verdict."""
    return printable("\n\n".join("\n".join(_report(report)) for report in reports))


def verify_record(reports: Sequence[GateReport]) -> dict[str, Any]:
    """All of it for programs, as schemas/gate-report.json describes it."""
    return {"format": FORMAT, "version": VERSION, "reports": [report_record(each) for each in reports]}


def _report(report: GateReport) -> Iterator[str]:
    digest = f", object {report.digest[:12]}" if report.digest else ""
    given = "".join(f", {name} {value}" for name, value in report.parameters.items())
    yield from _filled(f"{report.policy}, variant {report.variant}{digest}{given}", "")
    kernel = ""
    for result in report.results:
        if result.kernel != kernel:
            kernel = result.kernel
            yield f"  on {kernel}"
        yield from _result(result)
    yield _verdict(report)


def _result(result: GateResult) -> Iterator[str]:
    indent = "    " if result.kernel else "  "
    took = "cached" if result.cached else f"{result.seconds:.1f} s"
    shown = "" if result.verdict is GateVerdict.SKIPPED else took
    yield f"{_MARKS[result.verdict]}{indent[1:]}{result.gate:<10} {result.verdict:<8} {shown}".rstrip()
    inner = indent + "  "
    if result.verdict in (GateVerdict.SKIPPED, GateVerdict.ERROR):
        yield from _filled(result.log.splitlines()[0] if result.log else "", inner)
    if result.note:
        yield from _filled(result.note, inner)
    for against in dict.fromkeys(figure.comparison.against for figure in result.figures):
        other = "kernel's own scheduler" if against == KERNEL_DEFAULT_ARM else against
        yield f"{inner}against the {other}:"
        for figure in result.figures:
            if figure.comparison.against == against:
                yield from _figure(figure, inner + "  ")
    for finding in result.findings[:_MOST_FINDINGS]:
        yield from _finding(finding, inner)
    if len(result.findings) > _MOST_FINDINGS:
        yield f"{inner}and {len(result.findings) - _MOST_FINDINGS} more"
    if result.verdict is GateVerdict.FAILED and result.kernel and result.log and not result.figures:
        lines = result.log.splitlines()
        yield f"{inner}the end of its log (all of it: --json):"
        yield from (_cut(f"{inner}| {line}") for line in lines[-_LOG_LINES:])


def _finding(finding: GateFinding, indent: str) -> Iterator[str]:
    place = f"{finding.place}: " if finding.place else ""
    yield from _filled(f"{finding.code}: {place}{finding.message}", indent)
    if finding.remedy:
        yield from _filled(f"-> {finding.remedy}", indent + "  ")


def _figure(figure: GateFigure, indent: str) -> Iterator[str]:
    compared = figure.comparison
    ours, theirs = number(compared.medians[0]), amount(compared.medians[1], figure.unit)
    may_lose = "" if figure.guardrail is None else f"; may lose {figure.guardrail * 100:g} %"
    change = f"{percent(compared.change)} ({interval(compared)}{may_lose})"
    yield from _filled(f"{compared.finding}: {compared.metric} {ours} against {theirs}, {change}", indent)


def _verdict(report: GateReport) -> str:
    stopped = report.stopped_by
    if stopped is not None:
        where = f" on {stopped.kernel}" if stopped.kernel else ""
        return f"FAILED: stopped by {stopped.gate}{where}"
    if report.left_out is not None:
        return "NOT JUDGED: it is for none of these kernels; --kernels names others"
    if report.verdict is GateVerdict.ERROR:
        return "NOT JUDGED: a gate could not run"
    last = [result.gate for result in report.results if result.verdict is GateVerdict.PASSED]
    return f"passed, up to {last[-1]}" if last else "passed"


def _filled(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    )


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."
