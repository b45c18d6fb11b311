# SPDX-License-Identifier: Apache-2.0
"""The fault table as data: it is whole."""

from __future__ import annotations

import re
from collections import Counter

from tests.faults.rows import KERNELS, MOMENTS, Outcome, rows


def test_the_table_has_at_least_sixty_rows_and_some_on_each_kernel() -> None:
    counts = Counter(row.kernel for row in rows())
    assert tuple(sorted(counts)) == KERNELS
    assert counts["6.18"] >= 60
    assert counts["7.3"] >= 15


def test_the_helper_is_killed_stopped_and_frozen_and_the_power_cut_at_every_kind_of_moment() -> None:
    """A policy that has just been confirmed is the moment `baked`, and a revert is one of `trial`."""
    for words in ("SIGKILL", "SIGSTOP", "freezer", "power cut"):
        found = {row.moment for row in rows() if words in row.fault and row.kernel == "6.18"}
        assert found >= {"idle", "staging", "first-trial", "trial", "baked", "confirmed"}, words


def test_every_moment_is_used() -> None:
    assert {row.moment for row in rows()} == set(MOMENTS)


def test_every_script_says_when_the_fault_is() -> None:
    assert [row.key for row in rows() if not re.search(r"(^|[;\s])fault\b", row.script)] == []


def test_every_row_expects_a_promised_end() -> None:
    """Something else than the last known good only where the row's events say why."""
    for row in rows():
        for outcome in row.outcomes:
            explained = outcome.events or outcome.untouched or outcome.runs == "foreign"
            assert outcome.runs == "good" or explained, row.key
            assert isinstance(outcome, Outcome)
