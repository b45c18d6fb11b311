# SPDX-License-Identifier: Apache-2.0
"""What people read of an experiment in a terminal."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.model.evidence import Arm
from fleetsched.views.evidence import evidence_text
from fleetsched.views.measures import number, percent
from tests.unit.experiments import ARMS, EMULATED, evidence, metric

GOLDEN = Path(__file__).parent / "golden"
INCUMBENT = Arm("incumbent", "interactive", "eager", "2b" * 32, {"slice_us": 3000, "eager": True})


def test_an_experiment_reads_as_agreed() -> None:
    text = evidence_text(evidence())
    assert text + "\n" == (GOLDEN / "evidence.txt").read_text()
    assert max(map(len, text.splitlines())) <= 80


def test_few_runs_a_broken_guardrail_and_a_real_host_are_told_apart() -> None:
    host = replace(EMULATED, accelerator="none", clock="real", host="web-7", topology="two-llc")
    measured = [
        metric("wakeup_latency_p99_us", 400, 1600, incumbent=410, count=4),
        metric(
            "requests_per_second",
            700,
            1000,
            unit="1/s",
            better="maximize",
            guardrail=0.05,
            count=4,
            incumbent=990,
        ),
    ]
    made = evidence(measured, arms=(ARMS[0], INCUMBENT, ARMS[1]), environment=host)
    text = evidence_text(replace(made, unmeasured=(), ended="budget"))
    assert text + "\n" == (GOLDEN / "evidence-of-three.txt").read_text()
    assert max(map(len, text.splitlines())) <= 80


def test_without_a_comparison_the_ranges_are_shown() -> None:
    made = replace(evidence([metric("completion_time_s", 12, 10, unit="s")]), comparisons=())
    assert evidence_text(made).splitlines()[-3:] == [
        "  completion_time_s (s, lower is better)",
        "    kernel's own  9.6 to 10.6",
        "    candidate     11.4 to 13.1",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.012345, "0.01235"),
        (1234567.0, "1,234,567"),
        (999.96, "1,000"),
        (-31.44, "-31.44"),
        (1e-9, "1.000e-09"),
        (2.5e9, "2.500e+09"),
    ],
)
def test_numbers_have_four_digits(value: float, expected: str) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(-0.5, "-50.0 %"), (0.0, "0 %"), (12.0, "+1200.0 %"), (math.inf, "beyond any share")],
)
def test_shares_have_their_sign(share: float, expected: str) -> None:
    assert percent(share) == expected
