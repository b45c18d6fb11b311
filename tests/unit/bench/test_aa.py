# SPDX-License-Identifier: Apache-2.0
"""The statistics on recorded runs of the kernel's own scheduler: there is nothing to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bench_aa import DRAWS, MOST_FALSE, RECORDED, draws, false_draws, load, runs_of_the_default
from fleetsched.bench import statistics

FILES = sorted(RECORDED.glob("*.json"))


@pytest.fixture
def no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings do not depend on the interval, which takes most of the time."""
    monkeypatch.setattr(statistics, "_interval", lambda candidate, other, seed: (0.0, 0.0))


def test_there_are_recorded_runs() -> None:
    assert [len(runs_of_the_default(load(file))) >= 40 for file in FILES] == [True] * len(FILES)
    assert len(FILES) >= 2


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_two_thousand_draws_are_false_no_more_often_than_chance(file: Path, no_interval: None) -> None:
    counted = false_draws(load(file), DRAWS, blocks=10, seed=7)
    assert counted.found <= counted.significant <= MOST_FALSE


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_stopping_early_finds_no_more(file: Path, no_interval: None) -> None:
    most = 37  # the 99 % quantile of false draws among 500
    assert false_draws(load(file), 500, blocks=20, seed=7, stop=True).significant <= most


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_real_difference_is_found_in_the_same_runs(file: Path, no_interval: None) -> None:
    drawn = next(draws(load(file), 10, seed=7))
    shortened = [
        statistics.Measured(
            each.metric,
            each.unit,
            each.better,
            each.samples | {"candidate": tuple(value / 1000 for value in each.samples["candidate"])},
        )
        for each in drawn
    ]
    assert {each.finding for each in statistics.compare(shortened, seed=7)} == {"better"}
