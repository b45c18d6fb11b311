# SPDX-License-Identifier: Apache-2.0
"""Proposals as text for 80 columns. What records and manifests say is data: one line, printable, bounded."""

from __future__ import annotations

from collections.abc import Sequence

from fleetsched.model.proposal import Proposal, State
from fleetsched.model.wording import counted, printable

_MOST_DIFF_LINES = 2000


def outcome_text(
    outcome: str, goal: str, proposal: Proposal | None, *, measured: bool = False, had_time: bool = True
) -> str:
    """What `propose` did about a goal, and what to do next."""
    match outcome:
        case "kernel-default" | "kept" if not had_time:
            return f"goal {goal}: nothing is proposed, for want of time; to go on: a longer --budget-wall"
        case "kernel-default":
            return f"goal {goal}: nothing is proposed; to say so: policy: {{name: kernel-default}}"
        case "kept" if measured:
            return f"goal {goal}: nothing was shown to beat the policy that it has; nothing is proposed"
        case "kept":
            return f"goal {goal}: the policy that it has suits as well as any; nothing is proposed"
        case "closed":
            return (
                f"goal {goal}: the same was proposed before and closed{_why_closed(proposal)}\n"
                f"to propose it nevertheless: fleetsched propose {goal} --repropose"
            )
    branch = f": branch {proposal.branch}" if proposal else ""
    return f"proposal for goal {goal} {outcome}{branch}\nnext: fleetsched review show {goal}"


def list_text(proposals: Sequence[Proposal]) -> str:
    """A line a proposal."""
    if not proposals:
        return "no proposals"
    width = max(len(proposal.goal) for proposal in proposals)
    return "\n".join(
        f"{proposal.goal:<{width}}  {_state(proposal):<18}  {line_of(proposal.updated_at[:10])}"
        f"  {proposal.policy}"
        for proposal in proposals
    )


def _state(proposal: Proposal) -> str:
    if proposal.state is not State.OPEN:
        return str(proposal.state)
    return "open, approved" if proposal.valid_approvals else "open, not approved"


def show_text(proposal: Proposal) -> str:
    """Everything that a reviewer needs but the diff."""
    author = line_of(proposal.author) or "an account that is gone"
    lines = [
        line_of(proposal.title),
        "",
        f"  state     {proposal.state}{_why_closed(proposal)}",
        f"  branch    {proposal.branch}",
        f"  commit    {proposal.head[:12]}, on {proposal.base[:12]}{_gone_on(proposal)}",
        f"  proposed  {line_of(proposal.opened_at)} by {author}",
    ]
    lines += [
        f"  approved  {line_of(each.at)} by {line_of(each.by)}"
        f"{', its own author' if proposal.is_own(each) else ''}\n"
        f"            {_short(line_of(each.runs, 200))}"
        for each in proposal.valid_approvals
    ]
    if proposal.merged_as:
        lines.append(f"  merged    as {proposal.merged_as[:12]}")
    for each in proposal.reports:
        first, *more = [line_of(line, 200) for line in each.text.splitlines()] or [""]
        lines += [f"  reported  {line_of(each.at)} {first}", *(f"            {line}" for line in more)]
    lines += ["", *(line_of(line, 200) for line in proposal.why.splitlines())]
    if proposal.state is State.OPEN:
        step = "merge" if proposal.valid_approvals else "approve"
        lines += ["", f"next: fleetsched review {step} {proposal.goal}"]
    return "\n".join(lines)


def approved_text(proposal: Proposal) -> str:
    """What was approved, after `review approve`."""
    newest = proposal.valid_approvals[-1]
    own = " by its own author" if proposal.is_own(newest) else ""
    return (
        f"proposal for goal {proposal.goal} approved{own} at {proposal.head[:12]}\n"
        f"its hosts would run {_short(line_of(newest.runs, 200))}\n"
        f"next: fleetsched review merge {proposal.goal}"
    )


def _short(runs: str) -> str:
    """An object's digest as plan shows it."""
    name, at, digest = runs.partition("@")
    return name + at + digest[:8]


def _gone_on(proposal: Proposal) -> str:
    return "" if proposal.head == proposal.made else f"; people went on from {proposal.made[:12]}"


def _why_closed(proposal: Proposal | None) -> str:
    return f": {line_of(proposal.reason)}" if proposal and proposal.reason else ""


def diff_text(diff: str) -> str:
    """A diff without control characters, bounded."""
    lines = [line_of(line, 500) for line in diff.splitlines()]
    more = len(lines) - _MOST_DIFF_LINES
    cut = [f"... and {counted(more, 'more line')}"] if more > 0 else []
    return "\n".join([*lines[:_MOST_DIFF_LINES], *cut])


def line_of(text: str, most: int = 120) -> str:
    """Foreign text as part of one line: printable, bounded."""
    clean = printable(text, keep="\t")
    return clean if len(clean) <= most else clean[: most - 3] + "..."
