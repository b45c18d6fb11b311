# SPDX-License-Identifier: Apache-2.0
"""The table of costs in docs/agent.md is what the scripted runs cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.agent.interface import Draft
from tests.unit.agent.playing import play, script_named

DOCUMENT = Path(__file__).parents[4] / "docs" / "agent.md"
SCRIPTS = (
    "selects-from-catalogue",
    "writes-a-policy",
    "gives-up",
    "malformed-calls",
    "obeys-injection",
    "rate-limited",
    "refused",
)


def row(name: str, draft: Draft, requests: int) -> str:
    spent = draft.spent
    return (
        f"| {name} | {draft.ended} | {requests} | {spent.tokens_in:,} | {spent.tokens_cached:,} "
        f"| {spent.tokens_out:,} | ${spent.usd:.4f} |"
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_document_has_what_a_script_costs(name: str, tmp_path: Path) -> None:
    played = play(script_named(name), tmp_path)
    rows = DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert [each for each in rows if each.startswith(f"| {name} |")] == [
        row(name, played.draft, len(played.server.requests))
    ]
