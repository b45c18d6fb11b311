# SPDX-License-Identifier: Apache-2.0
"""What a reviewer reads of a run, in 80 columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.model.account import Account
from fleetsched.model.evidence import Arm
from fleetsched.model.goal import Guardrail, Objective, WorkloadGoal
from fleetsched.model.judgement import Compared, Rejected, judge
from fleetsched.model.suitability import rank
from fleetsched.views.drafted import account_text, why_text
from tests.unit.experiments import ARMS, DIGEST, evidence, metric

GOLDEN = Path(__file__).parent / "golden"
P99 = "wakeup_latency_p99_us"
GOAL = WorkloadGoal(
    "web-latency",
    "web",
    "default",
    objective=Objective(P99, "minimize"),
    guardrails=(Guardrail("requests_per_second", 5.0),),
)
INCUMBENT = Arm("incumbent", "deadline", "default", "ab" * 32)
MEASURED = (
    metric(P99, 400, 1600, incumbent=900),
    metric("requests_per_second", 990, 1000, unit="1/s", better="maximize", guardrail=0.05, incumbent=980),
    metric("wakeup_latency_p50_us", 45, 30, incumbent=31),
)
COMPARED = (
    Compared("evaluation", evidence(MEASURED, workload="hackbench", arms=(ARMS[0], INCUMBENT, ARMS[1]))),
    Compared("hold-out", evidence(MEASURED[:1], arms=(ARMS[0], INCUMBENT, ARMS[1]))),
)
SUITABILITY = rank(GOAL.name, GOAL.objective, [], [])


def account(*compared: Compared, explanation: str = "fair (slice_us 5000): -74.9 %") -> Account:
    return Account(
        goal=GOAL.name,
        workload="hackbench",
        kernel="7.2",
        backend="catalogue",
        ended="candidates",
        explanation=explanation,
        tried=12,
        measured=11,
        seconds=1234.5,
        usd="0",
        tokens=0,
        runs="/home/alice/.local/state/fleetsched/runs/20260102T030405Z-propose-web-latency",
        compared=compared,
        judgement=judge(GOAL, compared) if compared else None,
    )


def test_a_proposal_reads_as_agreed() -> None:
    told = why_text(account(*COMPARED), SUITABILITY)
    assert max(map(len, told.splitlines())) <= 80
    assert told + "\n" == (GOLDEN / "why.txt").read_text()


def test_what_was_not_proposed_reads_as_agreed() -> None:
    lost = Compared("hold-out", evidence([metric(P99, 3200, 1600)]))
    told = account_text(account(Compared("evaluation", evidence([metric(P99, 1590, 1600)])), lost))
    assert max(map(len, told.splitlines()[:-1])) <= 80
    assert told + "\n" == (GOLDEN / "not-proposed.txt").read_text()


def test_who_was_compared_before_reads_as_agreed() -> None:
    why = f"{P99} on message-wakeups, +40.2 % against incumbent: held out, and worse"
    lost = Rejected("interactive (slice_us 700)", why)
    told = account_text(replace(account(*COMPARED), in_line=3, rejected=(lost,)))
    assert max(map(len, told.splitlines()[:-1])) <= 80
    assert told + "\n" == (GOLDEN / "second-in-line.txt").read_text()


@pytest.mark.parametrize(("accepted", "name"), [(True, "accepted"), (False, "refused")])
def test_a_guardrail_that_nothing_measured_reads_as_agreed(accepted: bool, name: str) -> None:
    goal = replace(GOAL, guardrails=(Guardrail("cpu_some_avg10", 5.0, accepted),))
    told = account_text(replace(account(*COMPARED), judgement=judge(goal, COMPARED)))
    assert max(map(len, told.splitlines()[:-1])) <= 80
    assert told + "\n" == (GOLDEN / f"unmeasured-{name}.txt").read_text()


def test_without_a_comparison_it_says_why_there_is_none() -> None:
    told = account_text(replace(account(), stopped="there is no draft to compare"))
    assert "  No final comparison: there is no draft to compare." in told.splitlines()


def test_a_language_models_part_is_named_paid_and_quoted_as_data() -> None:
    foreign = (
        "I chose it.\x1b[2J " + "word " * 200 + "\n" + "line\n" * 100 + "key sk-ant-api03-abcdefghijklmnop"
    )
    made = replace(
        account(*COMPARED, explanation=foreign),
        backend="anthropic",
        model="claude-sonnet-5-5",
        usd="0.4231",
        tokens=81_230,
        transcript=DIGEST,
        ended="finished",
    )
    told = why_text(made, SUITABILITY)
    for part in (
        "How it was found: backend anthropic, the language model claude-sonnet-5-5",
        "  Cost: 1,234 s, $0.4231, 81,230 tokens.",
        f"  Transcript: SHA-256 {DIGEST[:16]}",
        "  I chose it.?[2J word word",
        "  ... and 42 more lines",
    ):
        assert part in told, told
    assert "sk-ant" not in told
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ("finished", "until it had nothing more to ask."),
        ("gave-up", "until it gave up."),
        ("interrupted", "until it was interrupted."),
        ("wall", "until the budget of wall was used up."),
    ],
)
def test_it_says_why_the_search_ended(ended: str, said: str) -> None:
    assert said in account_text(replace(account(), ended=ended)).replace("\n  ", " ")
