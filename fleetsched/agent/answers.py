# SPDX-License-Identifier: Apache-2.0
"""What tools answer: short, structured, the first error first, and nothing but data.

Logs, sources and what compilers print are foreign text: bounded, without control characters, redacted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleetsched.errors import FleetschedError
from fleetsched.model.evidence import Comparison, Evidence
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.gate_records import finding_record
from fleetsched.model.lesson import MOST_WHY, Lesson
from fleetsched.model.policy import Policy
from fleetsched.model.wording import printable
from fleetsched.secrets import redact

ANSWER_LIMIT = 40_000
"""Characters of all text of one answer; all headers together have 28,000."""
_MOST_FINDINGS = 5
_LOG_LIMIT = 2_000
_KEY_LIMIT = 200
_CUT = " [cut]"

Answer = dict[str, Any]


def one_line(text: str, most: int) -> str:
    """Text as one printable line of at most `most` characters, redacted."""
    line = printable(redact(" ".join(text.split())))
    return line if len(line) <= most else line[: most - len(_CUT)] + _CUT


def tame(value: Mapping[str, Any]) -> Answer:
    """An answer as it may leave: every text printable and redacted, all of them within `ANSWER_LIMIT`.

    What comes first has precedence; where the room ends, texts are cut and lists say how much more there was.
    """
    tamed: Answer = _Room(ANSWER_LIMIT).take(value)
    return tamed


class _Room:
    """Room for so many characters."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def take(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self._key(str(key)): self.take(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            taken = [self.take(inner) for inner in value if self._left > 0]
            return [*taken, f"[{len(value) - len(taken)} more]"] if len(taken) < len(value) else taken
        self._left -= len(json.dumps(value))
        return value

    def _key(self, key: str) -> str:
        """Keys are names; none is cut because the room ends, for two could become the same."""
        name = one_line(key, _KEY_LIMIT)
        self._left -= len(name)
        return name

    def _text(self, text: str) -> str:
        plain = printable(redact(text))
        if len(plain) > self._left:
            plain = plain[: max(self._left, 0)] + _CUT
        self._left -= len(plain)
        return plain


def error_answer(error: FleetschedError) -> Answer:
    """An error, and what to do about it."""
    return {"error": error.message, **({"remedy": error.remedy} if error.remedy else {})}


def report_answer(candidate: str, report: GateReport) -> Answer:
    """What the gates said: of a failure the first findings, and the end of the gate's log."""
    answer: Answer = {"candidate": candidate, "verdict": str(report.verdict)}
    stopped = report.stopped_by
    if stopped is not None:
        answer |= _failure(stopped)
    elif report.left_out is not None:
        answer |= {
            "error": f"no gate ran on a machine: {report.left_out.log}",
            "remedy": "this says nothing of the policy; choose or write one that is for this kernel",
        }
    elif report.verdict is GateVerdict.ERROR:
        broken = next(each for each in report.results if each.verdict is GateVerdict.ERROR)
        why = next(iter(broken.log.splitlines()), "")
        answer |= {
            "error": f"the gate {broken.gate} could not run: {why}",
            "remedy": "this says nothing of the policy; try once more, or give up",
        }
    passed = [f"{each.gate}" for each in report.results if each.verdict is GateVerdict.PASSED]
    skipped = {str(each.gate): each.log for each in report.results if each.verdict is GateVerdict.SKIPPED}
    answer["passed"] = list(dict.fromkeys(passed))
    if skipped:
        answer["skipped"] = skipped
    if report.digest:
        answer["digest"] = report.digest
    return answer


def _failure(stopped: GateResult) -> Answer:
    shown: list[GateFinding] = list(stopped.findings[:_MOST_FINDINGS])
    failure: Answer = {"stopped_by": str(stopped.gate), "findings": [finding_record(each) for each in shown]}
    if stopped.kernel:
        failure["kernel"] = stopped.kernel
    if len(stopped.findings) > len(shown):
        failure["more_findings"] = len(stopped.findings) - len(shown)
    if stopped.log and stopped.gate is not Gate.SCHEMA:
        failure["end_of_log"] = stopped.log[-_LOG_LIMIT:]
    return failure


def evidence_answer(candidate: str, evidence: Evidence) -> Answer:
    """What was measured, a row a metric and scheduler that it is compared with. Changes are percent."""
    return {
        "candidate": candidate,
        "workload": evidence.workload,
        "kernel": evidence.environment.kernel_release,
        "environment": [*evidence.environment.labels],
        "unmeasured": [*evidence.unmeasured],
        "runs_of_each": len(evidence.order),
        "ended": evidence.ended,
        "comparisons": [_comparison(each, evidence) for each in evidence.comparisons],
    }


def _comparison(each: Comparison, evidence: Evidence) -> Answer:
    metric = next(found for found in evidence.measured if found.metric == each.metric)
    ours, theirs = each.medians
    return {
        "metric": each.metric,
        "unit": metric.unit,
        "better": metric.better,
        "against": each.against,
        "finding": str(each.finding),
        "candidate_median": round(ours, 3),
        "other_median": round(theirs, 3),
        "change_percent": _percent(each.change),
        "interval_percent": [_percent(end) for end in each.interval],
        "p_corrected": round(each.p_holm, 4),
    }


def _percent(share: float) -> float | str:
    """JSON has no infinity."""
    percent = 100 * share
    return round(percent, 1) if abs(percent) != float("inf") else str(percent)


def lesson_answer(lesson: Lesson) -> Answer:
    """What was tried before, and what came of it. It is foreign text."""
    return {
        "policy": lesson.policy,
        "parameters": dict(lesson.parameters),
        "workload": lesson.workload,
        "kernel": lesson.kernel,
        "outcome": lesson.outcome,
        "why": one_line(lesson.why, MOST_WHY),
        "at": lesson.at,
    }


def policy_answer(policy: Policy, score: float | None, excluded: str) -> Answer:
    """One line of the catalogue. `score`: of what it declares, for the goal; None = not compared."""
    answer: Answer = {
        "policy": policy.name,
        "summary": policy.summary,
        "score": None if score is None else round(score, 3),
        "variants": list(policy.variants),
        "parameters": {
            name: {"default": each.default, "min": each.minimum, "max": each.maximum, "unit": each.unit}
            for name, each in policy.parameters.items()
        },
    }
    if policy.program is not None:
        excluded = excluded or "it is a program that hosts have installed: nothing here can measure it"
    return answer | ({"cannot_be_used": excluded} if excluded else {})
