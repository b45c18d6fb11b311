# SPDX-License-Identifier: Apache-2.0
"""What a search asks, and in which order."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetsched.agent.search import Search
from fleetsched.errors import InputError
from fleetsched.model.policy import Parameter

DECLARED = {
    "slice_us": Parameter("u64", 3000, 250, 20_000),
    "credit_us": Parameter("u64", 100, 0, 500),
    "wakers_first": Parameter("bool", 0, 0, 1),
}
DEFAULTS = {"slice_us": 3000, "credit_us": 100, "wakers_first": 0}
LEARNT = {"slice_us": 900, "credit_us": 0, "wakers_first": 1}


def asked(search: Search, count: int) -> list[dict[str, int]]:
    """Questions of a search that is told to make slices short."""
    questions = []
    for _ in range(count):
        questions.append(search.ask())
        search.tell(float(questions[-1]["slice_us"]))
    return questions


def test_what_is_given_is_asked_first_once_and_only_where_it_fits() -> None:
    wrong = [{**LEARNT, "slice_us": 249}, {"slice_us": 900}, {**LEARNT, "gone": 1}]
    questions = asked(Search(DECLARED, 1, [DEFAULTS, *wrong, LEARNT, DEFAULTS]), 3)
    assert questions[:2] == [DEFAULTS, LEARNT]
    assert questions[2] not in (DEFAULTS, LEARNT)


def test_the_same_seed_and_answers_give_the_same_questions() -> None:
    first, again, other = (asked(Search(DECLARED, seed), 12) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_it_goes_where_answers_are_better() -> None:
    questions = asked(Search(DECLARED, 1, [DEFAULTS]), 40)
    assert sum(question["slice_us"] < 1000 for question in questions[20:]) > 15


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_question_is_within_what_is_declared(seed: int) -> None:
    for question in asked(Search(DECLARED, seed), 8):
        assert question.keys() == DECLARED.keys()
        for name, value in question.items():
            assert DECLARED[name].minimum <= value <= DECLARED[name].maximum


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError) as caught:
        Search(DECLARED, 1)
    assert caught.value.remedy == "pip install 'fleetsched[agent]'"
