# SPDX-License-Identifier: Apache-2.0
"""Which name is suggested for one that is not known."""

from __future__ import annotations

import pytest

from fleetsched.model.suggest import suggestion


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("wbe", ["web", "db"], '; did you mean "web"?'),
        ("Web_Latency", ["web-latency"], '; did you mean "web-latency"?'),
        ("zzz", ["web", "db"], "; known: db, web"),
        ("zzz", [f"name-{number}" for number in range(7)], ""),
        ("zzz", [], ""),
    ],
)
def test_the_nearest_name_is_suggested_else_the_few_that_there_are(
    name: str, known: list[str], expected: str
) -> None:
    assert suggestion(name, known) == expected


@pytest.mark.parametrize("wrong", ["web-latncy", "wb-latency", "we-latency", "web-latenzy", "ewb-latency"])
def test_among_thousands_of_names_the_nearest_is_still_found(wrong: str) -> None:
    known = ["web-latency", *(f"{letter}{number}-goal" for letter in "aqwxz" for number in range(400))]
    assert suggestion(wrong, known) == '; did you mean "web-latency"?'
