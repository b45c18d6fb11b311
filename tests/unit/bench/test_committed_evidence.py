# SPDX-License-Identifier: Apache-2.0
"""What committed evidence concludes is what its raw samples say."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import pytest

from benchmarks.bench_aa import RECORDED
from fleetsched.bench.statistics import compare
from fleetsched.fleetrepo.evidence import read_evidence
from fleetsched.model.evidence import Comparison, Evidence
from tests.unit.experiments import evidence

ROOT = Path(__file__).parents[3]


def disagreements(made: Evidence) -> list[str]:
    """Name the metrics of which something else follows from the samples."""
    pairs = zip(made.comparisons, compare(made.measured, made.seed), strict=True)
    return [ours.metric for ours, again in pairs if not same(ours, again)]


def same(one: Comparison, other: Comparison) -> bool:
    """Compare but for the last digits, which another version of a library may change."""
    for ours, theirs in zip(astuple(one), astuple(other), strict=True):
        if ours != (theirs if isinstance(theirs, str) else pytest.approx(theirs)):
            return False
    return True


def test_every_committed_conclusion_follows_from_its_samples() -> None:
    for file in [*ROOT.glob("policies/*/evidence/*.json"), *RECORDED.glob("*.json")]:
        made, problems = read_evidence(file, str(file))
        assert made is not None, problems
        assert disagreements(made) == [], file


def test_a_conclusion_that_does_not_follow_is_seen() -> None:
    made = evidence()
    first = replace(made.comparisons[0], interval=(-0.99, -0.98))
    assert disagreements(made) == []
    assert disagreements(replace(made, comparisons=(first, *made.comparisons[1:]))) == [first.metric]
