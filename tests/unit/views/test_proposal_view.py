# SPDX-License-Identifier: Apache-2.0
"""What records say is shown as data, whoever wrote them."""

from __future__ import annotations

from dataclasses import replace

from fleetsched.model.proposal import Approval, Proposal, Report, State
from fleetsched.views.proposal import approved_text, diff_text, list_text, outcome_text, show_text

HOSTILE = "\x1b[2J\r\u202e" + "x" * 5000
PROPOSAL = Proposal(
    goal="web",
    policy="fair",
    state=State.OPEN,
    base="b" * 40,
    made="a" * 40,
    head="c" * 40,
    author=f"{HOSTILE} <a@example.test>",
    title=HOSTILE,
    why=f"{HOSTILE}\n{HOSTILE}",
    fingerprint="f" * 64,
    opened_at=HOSTILE,
    updated_at=HOSTILE,
    approvals=(Approval("B <a@Example.test>", "c" * 40, HOSTILE, f"fair@{HOSTILE}"),),
    reason=HOSTILE,
    reports=(Report(HOSTILE, HOSTILE, f"{HOSTILE}\n{HOSTILE}"),),
)


def test_foreign_text_is_printable_and_bounded() -> None:
    closed = replace(PROPOSAL, state=State.CLOSED)
    texts = [
        list_text([PROPOSAL]),
        show_text(PROPOSAL),
        show_text(closed),
        approved_text(PROPOSAL),
        outcome_text("closed", "web", closed),
        diff_text(f"+{HOSTILE}\n" * 3000),
    ]
    assert [line for text in texts for line in text.split("\n") if not line.isprintable()] == []
    assert max(len(line) for text in texts for line in text.split("\n")) <= 500
    assert texts[-1].endswith("... and 4,000 more lines")


def test_people_who_went_on_and_own_approvals_are_shown() -> None:
    plain = replace(
        PROPOSAL,
        author="A <a@example.test>",
        title="Run fair for goal web",
        why="because",
        opened_at="2026-01-01T00:00:00Z",
        approvals=(Approval("B <a@Example.test>", "c" * 40, "2026-01-02T00:00:00Z", "fair@" + "1c" * 32),),
        reason="",
        reports=(Report("2026-01-03T00:00:00Z", "R <r@example.test>", "rolled back\nweb-1: stalled"),),
    )
    assert show_text(plain) == (
        "Run fair for goal web\n"
        "\n"
        "  state     open\n"
        "  branch    fleetsched/proposal/web\n"
        "  commit    cccccccccccc, on bbbbbbbbbbbb; people went on from aaaaaaaaaaaa\n"
        "  proposed  2026-01-01T00:00:00Z by A <a@example.test>\n"
        "  approved  2026-01-02T00:00:00Z by B <a@Example.test>, its own author\n"
        "            fair@1c1c1c1c\n"
        "  reported  2026-01-03T00:00:00Z rolled back\n"
        "            web-1: stalled\n"
        "\n"
        "because\n"
        "\n"
        "next: fleetsched review merge web"
    )
