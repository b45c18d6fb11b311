# SPDX-License-Identifier: Apache-2.0
"""Proposals as text for 80 columns. What records and manifests say is data: one line, printable, bounded."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from fleetsched.model.manifests import KERNEL_DEFAULT
from fleetsched.model.proposal import Proposal, State
from fleetsched.model.suitability import Candidate, Suitability
from fleetsched.views.plan import WIDTH

_MOST_DIFF_LINES = 2000


def suitability_text(suitability: Suitability) -> str:
    """Why this policy: what is known of the goal, and every candidate's sum."""
    lines = [f"Which policy suits goal {suitability.goal}: declared, nothing was measured", ""]
    lines += [f"  {'feature':<18}value  from"]
    for name, value in suitability.values.items():
        lines.append(f"  {name:<18}{_signed(value.value):>5}  {value.origin}")
    lines += ["", f"  {'candidate':<18}score  weight x value of each feature"]
    lines += [_candidate(candidate) for candidate in suitability.candidates]
    lines += ["", *_conclusion(suitability)]
    return "\n".join(lines)


def _candidate(candidate: Candidate) -> str:
    if candidate.excluded:
        line = f"  {candidate.name:<18}    -  cannot be used: {candidate.excluded}"
        return textwrap.fill(line, WIDTH, subsequent_indent=" " * 27, break_on_hyphens=False)
    terms = ", ".join(
        f"{feature} {_signed(weight)} x {_signed(value)}"
        for feature, weight, value in candidate.terms
        if value
    )
    what = (
        "always a candidate" if candidate.name == KERNEL_DEFAULT else terms or "suits nothing that is known"
    )
    line = f"  {candidate.name:<18}{_signed(candidate.score):>5}  {what}"
    return textwrap.fill(line, WIDTH, subsequent_indent=" " * 27, break_on_hyphens=False)


def _conclusion(suitability: Suitability) -> Iterator[str]:
    best = suitability.best
    same = [each.name for each in suitability.candidates if each.score == best.score and not each.excluded]
    if best.name == KERNEL_DEFAULT:
        yield "  No policy beats the kernel's own scheduler, so none is proposed."
    else:
        first = f", the first by name of {len(same)}" if len(same) > 1 else ""
        yield f"  {best.name} has the highest score{first}."
    hosts = len(suitability.checked_hosts)
    yield (
        f"  Kernel and architecture of {hosts} host{'' if hosts == 1 else 's'} were checked."
        if hosts
        else "  No host was asked: requirements are checked by plan."
    )


def _signed(value: float) -> str:
    return f"{value:+g}" if value else "0"


def list_text(proposals: Sequence[Proposal]) -> str:
    """A line a proposal."""
    if not proposals:
        return "no proposals"
    width = max(len(proposal.goal) for proposal in proposals)
    return "\n".join(
        f"{proposal.goal:<{width}}  {proposal.state:<7} {_judged(proposal):<12} {proposal.policy}, "
        f"{proposal.updated_at[:10]}"
        for proposal in proposals
    )


def _judged(proposal: Proposal) -> str:
    if proposal.state is not State.OPEN:
        return ""
    return "approved" if proposal.valid_approvals else "not approved"


def show_text(proposal: Proposal) -> str:
    """Everything that a reviewer needs but the diff."""
    lines = [
        line_of(proposal.title),
        "",
        f"  state     {proposal.state}{_why_closed(proposal)}",
        f"  branch    {proposal.branch} at {proposal.head[:12]}, on {proposal.base[:12]}",
        f"  proposed  {line_of(proposal.opened_at)} by {line_of(proposal.author)}",
    ]
    lines += [
        f"  approved  {line_of(each.at)} by {line_of(each.by)}{_own(each.by, proposal)}"
        for each in proposal.valid_approvals
    ]
    if proposal.merged_as:
        lines.append(f"  merged    as {proposal.merged_as[:12]}")
    lines += ["", *(line_of(line, 200) for line in proposal.why.splitlines())]
    if proposal.state is State.OPEN:
        step = "merge" if proposal.valid_approvals else "approve"
        lines += ["", f"next: fleetsched review {step} {proposal.goal}"]
    return "\n".join(lines)


def _own(by: str, proposal: Proposal) -> str:
    return " (who proposed it)" if by == proposal.author else ""


def _why_closed(proposal: Proposal) -> str:
    return f": {line_of(proposal.reason)}" if proposal.reason else ""


def diff_text(diff: str) -> str:
    """A diff without control characters, bounded."""
    lines = [line_of(line, 500) for line in diff.splitlines()]
    more = len(lines) - _MOST_DIFF_LINES
    return "\n".join([*lines[:_MOST_DIFF_LINES], *([f"... and {more} more lines"] if more > 0 else [])])


def line_of(text: str, most: int = 120) -> str:
    """Foreign text as part of one line: printable, bounded."""
    clean = "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in text)
    return clean if len(clean) <= most else clean[: most - 3] + "..."
