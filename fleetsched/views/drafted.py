# SPDX-License-Identifier: Apache-2.0
"""What a run of the agent found, as text for 80 columns. What a language model says is data."""

from __future__ import annotations

from collections.abc import Iterator

from fleetsched.model.account import Account
from fleetsched.model.evidence import INCUMBENT, KERNEL_DEFAULT_ARM, Comparison, Evidence, Finding
from fleetsched.model.judgement import Compared
from fleetsched.model.suitability import Suitability
from fleetsched.model.wording import counted
from fleetsched.secrets import redact
from fleetsched.views.fill import fill, labelled
from fleetsched.views.measures import (
    LABELS,
    amount,
    arm_text,
    environment_text,
    interval,
    number,
    percent,
    runs_of_each,
)
from fleetsched.views.proposal import line_of
from fleetsched.views.suitability import suitability_text

_MOST_LINES = 60
_MOST_LETTERS = 400
_NO_BREAK = "\N{NO-BREAK SPACE}%"
_AGAINST = {KERNEL_DEFAULT_ARM: "the kernel's own scheduler", INCUMBENT: "the incumbent"}
_ENDED = {
    "finished": "until it had nothing more to ask",
    "gave-up": "until it gave up",
    "interrupted": "until it was interrupted",
    "lab": "until the lab failed",
    "refused": "until the language model refused",
}


def why_text(account: Account, suitability: Suitability) -> str:
    """Everything that a reviewer reads: what was measured, what it loses, who made it, at what cost."""
    return "\n".join(
        [*_comparison(account), *_search(account), "", suitability_text(suitability, decides=False)]
    )


def account_text(account: Account) -> str:
    """The same for who ran it and has seen the suitability."""
    return "\n".join([*_comparison(account), *_search(account), "", f"  all of it: {account.runs}"])


def _comparison(account: Account) -> Iterator[str]:
    yield f"What was measured for goal {account.goal}"
    yield ""
    if not account.compared:
        yield fill(f"No final comparison: {line_of(account.stopped, _MOST_LETTERS)}.", "  ")
        yield ""
        return
    first = account.compared[0].evidence
    yield from (labelled("candidate", arm_text(first.candidate)),)
    incumbent = next((arm for arm in first.arms if arm.name == INCUMBENT), None)
    if incumbent is not None:
        yield labelled("incumbent", arm_text(incumbent))
    yield labelled("where", environment_text(first.environment))
    yield from (labelled("beware", LABELS[label]) for label in first.environment.labels)
    if first.unmeasured:
        yield labelled("unmeasured", f"{', '.join(first.unmeasured)}: nothing here is about them")
    for compared in account.compared:
        yield from _workload(compared)
    judged = account.judgement
    for metric in judged.unmeasured if judged is not None else ():
        yield ""
        yield fill(
            f"Not measured: {metric}, a guardrail. No workload of the goal gives a number for it, so nothing "
            "here says whether it is kept.",
            "  ",
        )
    yield ""
    yield from _verdict(account)
    yield from _line_up(account)
    yield ""


def _workload(compared: Compared) -> Iterator[str]:
    evidence = compared.evidence
    role = "held out: no search has seen it" if compared.role == "hold-out" else "the goal's"
    yield ""
    yield fill(f"{evidence.workload} ({role}), {runs_of_each(evidence)}", "  ")
    for against in dict.fromkeys(each.against for each in evidence.comparisons):
        yield f"    against {_AGAINST[against]}"
        for each in evidence.comparisons:
            if each.against == against:
                yield _line(evidence, each)


def _line(evidence: Evidence, each: Comparison) -> str:
    unit = next(metric.unit for metric in evidence.measured if metric.metric == each.metric)
    numbers = f"{number(each.medians[0])} against {amount(each.medians[1], unit)}"
    text = f"{each.metric}: {numbers}, {percent(each.change)} ({interval(each)})"
    # A number is not parted from its sign.
    filled = fill(text.replace(" %", _NO_BREAK), f"      {each.finding:<12}  ", " " * 20)
    return filled.replace(_NO_BREAK, " %")


def _verdict(account: Account) -> Iterator[str]:
    loses = [
        f"{each.metric} on {compared.evidence.workload}, {percent(each.change)} against "
        f"{_AGAINST[each.against]}"
        for compared in account.compared
        for each in compared.evidence.comparisons
        if each.finding is Finding.WORSE
    ]
    yield fill(f"What it loses: {'; '.join(loses) or 'nothing that was shown'}.", "  ")
    judged = account.judgement
    if judged is None:
        yield fill(f"The comparison broke off: {line_of(account.stopped, _MOST_LETTERS)}.", "  ")
    elif judged.proposes:
        yield fill(f"Proposed: {judged.summary}.", "  ")
    else:
        yield "  Not proposed:"
        yield from (fill(objection, "  - ", "    ") for objection in judged.objections)


def _line_up(account: Account) -> Iterator[str]:
    """How many there were to choose from, which makes luck more likely, and what became of the others."""
    if account.in_line <= 1:
        return
    yield ""
    compared = 1 + len(account.rejected)
    text = f"{account.in_line} candidates stood in line, the best of the search first; compared: {compared}."
    if compared < account.in_line and not _proposes(account) and not account.broke_off:
        text += " There was no time for more."
    text += f' "better" is corrected for all {account.in_line}.'
    yield fill(text, "  ")
    for each in account.rejected:
        lost = f"not proposed: {line_of(each.candidate)}: {line_of(each.why, _MOST_LETTERS)}"
        yield fill(lost, "  - ", "    ")


def _proposes(account: Account) -> bool:
    return account.judgement is not None and account.judgement.proposes


def _search(account: Account) -> Iterator[str]:
    who = f"the language model {line_of(account.model)}" if account.model else "no language model"
    yield f"How it was found: backend {account.backend}, {who}"
    yield ""
    until = _ENDED.get(account.ended, f"until the budget of {account.ended} was used up")
    yield fill(
        f"{counted(account.tried, 'candidate')}, {account.measured} measured on {account.workload}, "
        f"Linux {account.kernel}, {until}.",
        "  ",
    )
    cost = f"{account.seconds:,.0f} s"
    if account.model:
        cost += f", ${account.usd}, {counted(account.tokens, 'token')}"
    yield fill(f"Cost: {cost}.", "  ")
    if account.transcript:
        yield f"  Transcript: SHA-256 {account.transcript[:16]}"
    yield ""
    if account.rejected and _proposes(account):
        yield fill(f"The words that follow are about the search, which preferred {_first(account)}.", "  ")
        yield ""
    lines = redact(account.explanation).splitlines()
    yield from (fill(line_of(line, _MOST_LETTERS), "  ", "    ") for line in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield f"  ... and {counted(len(lines) - _MOST_LINES, 'more line')}"


def _first(account: Account) -> str:
    return line_of(account.rejected[0].candidate)
