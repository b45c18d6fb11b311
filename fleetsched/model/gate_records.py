# SPDX-License-Identifier: Apache-2.0
"""What gates said as JSON: for `verify --json`, for the file of a whole catalogue, for the cache, and back.

The form is schemas/gate-report.json.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fleetsched.model.evidence import Comparison, Finding
from fleetsched.model.gate import Gate, GateFigure, GateFinding, GateReport, GateResult, GateVerdict

FORMAT, VERSION = "fleetsched-gates", "1.0"

Record = dict[str, Any]


def result_record(result: GateResult, *, log: bool = True) -> Record:
    """One result. `log`: with what the gate printed."""
    return {
        "gate": str(result.gate),
        "verdict": str(result.verdict),
        "kernel": result.kernel,
        "seconds": round(result.seconds, 2),
        "cached": result.cached,
        "findings": [finding_record(each) for each in result.findings],
        **({"note": result.note} if result.note else {}),
        **({"figures": [_figure_record(each) for each in result.figures]} if result.figures else {}),
        **({"log": result.log} if log else {}),
    }


def finding_record(finding: GateFinding) -> Record:
    """One finding; what is empty is left out."""
    fields = ("code", "message", "place", "remedy")
    return {name: text for name in fields if (text := getattr(finding, name))}


def report_record(report: GateReport, *, log: bool = True) -> Record:
    """All that was said of one variant."""
    return {
        "policy": report.policy,
        "variant": report.variant,
        "digest": report.digest,
        **({"parameters": dict(report.parameters)} if report.parameters else {}),
        "verdict": str(report.verdict),
        "results": [result_record(each, log=log) for each in report.results],
    }


def result_from(record: Mapping[str, Any]) -> GateResult:
    """Read what `result_record` wrote.

    Raises:
        KeyError, ValueError, TypeError: it did not write this.
    """
    return GateResult(
        gate=Gate(record["gate"]),
        verdict=GateVerdict(record["verdict"]),
        kernel=record["kernel"],
        seconds=float(record["seconds"]),
        findings=tuple(GateFinding(**each) for each in record["findings"]),
        log=record.get("log", ""),
        cached=bool(record["cached"]),
        note=record.get("note", ""),
        figures=tuple(map(_figure_from, record.get("figures", ()))),
    )


def report_from(record: Mapping[str, Any]) -> GateReport:
    """Read what `report_record` wrote.

    Raises:
        KeyError, ValueError, TypeError: it did not write this.
    """
    return GateReport(
        policy=record["policy"],
        variant=record["variant"],
        digest=record["digest"],
        results=tuple(map(result_from, record["results"])),
        parameters=record.get("parameters", {}),
    )


def _figure_record(figure: GateFigure) -> Record:
    fields = asdict(figure.comparison)
    change, interval = fields["change"], fields["interval"]
    guardrail = {} if figure.guardrail is None else {"guardrail": figure.guardrail}
    derived = {"change": _wire(change), "interval": [_wire(end) for end in interval]}
    return {**fields, "medians": list(fields["medians"]), **derived, "unit": figure.unit, **guardrail}


def _figure_from(record: Mapping[str, Any]) -> GateFigure:
    fields = {name: value for name, value in record.items() if name not in ("unit", "guardrail")}
    ours, theirs = record["medians"]
    low, high = map(float, record["interval"])
    derived = {"medians": (ours, theirs), "change": float(record["change"]), "interval": (low, high)}
    comparison = Comparison(**{**fields, **derived, "finding": Finding(record["finding"])})
    return GateFigure(comparison, record["unit"], record.get("guardrail"))


def _wire(number: float) -> float | str:
    """JSON has no infinity."""
    return number if math.isfinite(number) else str(number)
