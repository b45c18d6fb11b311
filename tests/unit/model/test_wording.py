# SPDX-License-Identifier: Apache-2.0
"""Counts and long lists in words."""

from __future__ import annotations

import pytest

from fleetsched.model.wording import counted, listed


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (0, ("host",), "0 hosts"),
        (1, ("host",), "1 host"),
        (2, ("host",), "2 hosts"),
        (1200, ("host",), "1,200 hosts"),
        (1, ("policy", "policies"), "1 policy"),
        (2, ("policy", "policies"), "2 policies"),
    ],
)
def test_a_count_has_its_singular_and_its_plural(count: int, words: tuple[str, ...], said: str) -> None:
    assert counted(count, *words) == said


@pytest.mark.parametrize(
    ("items", "said"),
    [((), ""), (("a", "b"), "a, b"), (("a", "b", "c"), "a, b and 1 more"), ("abcde", "a, b and 3 more")],
)
def test_a_long_list_says_how_much_is_left_out(items: tuple[str, ...], said: str) -> None:
    assert listed(items, 2) == said


def test_what_has_commas_in_it_is_parted_otherwise() -> None:
    assert listed(["a: 1, 2", "b: 3", "c"], 2, "; ") == "a: 1, 2; b: 3 and 1 more"
