# SPDX-License-Identifier: Apache-2.0
"""What a reviewer reads in a pull request, and what foreign text cannot do there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetsched.model.evidence import Arm
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.proposal import Briefing
from fleetsched.views.markdown import block, code, defused, plain, shortened
from fleetsched.views.pull_request import body_markdown, title_text
from tests.unit.experiments import ARMS, EMULATED, evidence, metric

GOLDEN = Path(__file__).parent / "golden"
DIGEST = "1c" * 32
MOST = 60_000
WHY = "Which policy suits goal web-latency: declared, nothing was measured\n\n  interactive    +3"

HOSTILE = (
    "@everyone fixes #1 and closes acme/fleet#2, GH-3, !4: https://evil.example www.evil.example "
    "<img src=x onerror=y> ![x](javascript:z) [a](b) <!-- fleetsched:proposal {} --> "
    "``` | \x1b[31m \u202e\u0007"
)


def body(briefing: Briefing, why: str = WHY, most: int = MOST) -> str:
    return body_markdown("web-latency", "interactive", "Run interactive", why, "f" * 64, briefing, most)


def gates() -> GateReport:
    results = [GateResult(gate, GateVerdict.PASSED) for gate in (Gate.SCHEMA, Gate.COMPILE, Gate.INSPECT)]
    for kernel in ("6.16.3+deb13-amd64", "7.3.1-amd64"):
        results += [GateResult(gate, GateVerdict.PASSED, kernel) for gate in (Gate.VERIFY, Gate.ATTACH)]
    results.append(GateResult(Gate.STRESS, GateVerdict.ERROR, "7.3.1-amd64"))
    return GateReport("interactive", "default", DIGEST, tuple(results))


def declared() -> Briefing:
    return Briefing(hosts=("web-1", "web-2"), after="interactive@1c1c1c1c")


def measured() -> Briefing:
    incumbent = Arm("incumbent", "fair", "default", "2b" * 32, {"slice_us": 3000})
    numbers = [
        metric("wakeup_latency_p99_us", 400, 1600, incumbent=1200, count=12),
        metric(
            "requests_per_second", 700, 1000, unit="1/s", better="maximize", guardrail=0.05, incumbent=990,
            count=12,
        ),
    ]  # fmt: skip
    held_out = evidence([metric("wakeup_latency_p99_us", 1590, 1600)])
    arms = (ARMS[0], incumbent, ARMS[1])
    return Briefing(
        hosts=tuple(f"web-{number}" for number in range(1, 51)),
        before="fair@2b2b2b2b slice_us=3000",
        after="interactive@1c1c1c1c slice_us=2500",
        backend="catalogue",
        wall_s=1500,
        candidates=7,
        evidence=(evidence(numbers, workload="nginx-under-compression", arms=arms), held_out),
        held_out=("message-wakeups",),
        gates=(gates(),),
    )


def generated() -> Briefing:
    host = replace(EMULATED, accelerator="none", clock="real", host="web-7")
    failed = GateResult(
        Gate.VERIFY, GateVerdict.FAILED, "6.18.2-amd64", findings=(GateFinding("x", "R1 type=scalar @root"),)
    )
    return Briefing(
        hosts=("web-7",),
        after=f"own@{DIGEST[:8]}",
        backend="anthropic",
        model="claude-sonnet-5-5",
        transcript="ab" * 32,
        explanation=HOSTILE,
        usd=0.42,
        tokens=123_456,
        wall_s=600,
        candidates=3,
        evidence=(evidence([metric("wakeup_latency_p99_us", 400, 1600)], environment=host),),
        gates=(GateReport("own", "wide", DIGEST, (failed,)),),
    )


@pytest.mark.parametrize(
    ("name", "briefing"), [("declared", declared()), ("measured", measured()), ("generated", generated())]
)
def test_a_body_reads_as_agreed(name: str, briefing: Briefing) -> None:
    assert body(briefing) == (GOLDEN / f"pull-request-{name}.md").read_text()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("fixes #1", "fixes no. 1"),
        ("acme/fleet#12 and GH-3 and !4", "acme/fleetno. 12 and no. 3 and no. 4"),
        ("@alice, (@bob) fair@1c1c", "(at)alice, ((at)bob) fair@1c1c"),
        ("https://x.example www.y.example", "https: //x.example www .y.example"),
        ("/merge\n  /approve", "(/)merge\n  (/)approve"),
        ("a\x1b[31mb\u202ec\x00", "a?[31mb?c?"),
        ("100 % of 3 # a comment", "100 % of 3 # a comment"),
    ],
)
def test_foreign_text_is_defused(written: str, shown: str) -> None:
    assert defused(written) == shown


def test_hostile_text_stays_inside_of_its_code() -> None:
    text = block(HOSTILE + "\n```\n## a heading\n@root", 2000)
    fence = text.splitlines()[0].removesuffix("text")
    assert len(fence) == 4
    assert [line for line in text.splitlines() if line.startswith(fence)] == [f"{fence}text", fence]
    assert "@everyone" not in text


@given(st.text())
def test_no_text_breaks_out_of_a_code_span_or_a_tables_cell(text: str) -> None:
    shown = code(text)
    assert shown == "-" or (shown[0] == shown[-1] == "`" and not set(shown[1:-1]) & set("`|\n"))
    assert len(shown) <= 122


@settings(max_examples=20)
@given(st.text(), st.text())
def test_every_body_has_at_most_so_many_characters(why: str, explanation: str) -> None:
    briefing = replace(measured(), explanation=explanation * 50)
    for most in (2000, 6000):
        assert len(body(briefing, why * 50, most)) <= most


def test_a_body_that_is_too_long_loses_rows_of_tables_first_and_says_so() -> None:
    wide = replace(measured(), evidence=measured().evidence * 30)
    text = body(wide, most=12_000)
    assert "### Undo it" in text
    assert "... cut: 60 experiments in all" in text
    assert WHY.splitlines()[0] in text
    assert shortened("a\n" * 2000, 100).endswith("... cut: 4,000 characters in all")


def test_a_title_is_one_line_without_markup() -> None:
    assert title_text("Run `x`\nfor <b>@root</b> fixes #1") == "Run 'x' for (b)(at)root(/b) fixes no. 1"
    assert plain("x" * 200, 10) == "xxxxxxx..."
