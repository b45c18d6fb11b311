# SPDX-License-Identifier: Apache-2.0
"""What was fuzzed is what is there."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.unit.helper.conftest import HELPER

RESULTS = json.loads((HELPER / "fuzz" / "results.json").read_text())
MOST_SEEDS = 60
MOST_SEED_BYTES = 8_192


@pytest.mark.parametrize("name", ["inspect", "protocol"])
def test_every_target_ran_a_million_times_on_these_sources_without_a_finding(name: str) -> None:
    run = f"run `make fuzz TARGETS={name}` and commit its results"
    assert name in RESULTS, f"{name} was never fuzzed to the end: {run}"
    target = RESULTS[name]
    assert (target["runs"] >= 1_000_000, target["findings"]) == (True, 0)
    changed = [
        file
        for file, digest in target["sources"].items()
        if hashlib.sha256((HELPER / file).read_bytes()).hexdigest() != digest
    ]
    assert not changed, f"{', '.join(changed)} changed since it was fuzzed: {run}"


def test_the_corpus_is_small() -> None:
    files = [file for file in (HELPER / "fuzz" / "corpus").rglob("*") if file.is_file()]
    assert 0 < len(files) <= MOST_SEEDS
    assert max(file.stat().st_size for file in files) <= MOST_SEED_BYTES
