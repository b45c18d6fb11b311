# SPDX-License-Identifier: Apache-2.0
"""How policies compare for a goal, term by term, as text for 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from fleetsched.model.goal import KERNEL_DEFAULT
from fleetsched.model.suitability import Candidate, Suitability
from fleetsched.model.wording import counted
from fleetsched.views.plan import WIDTH
from fleetsched.views.proposal import line_of


def suitability_text(suitability: Suitability, *, decides: bool = True) -> str:
    """Why this policy: what is known of the goal, and every candidate's sum.

    Args:
        suitability: how the candidates compare.
        decides: whether the best of them is the choice; else it is only where a search begins.
    """
    source = "by what policies declare"
    if decides:
        source = (
            "declared, for what hosts do" if suitability.is_observed else "declared, nothing was measured"
        )
    lines = [f"Which policy suits goal {suitability.goal}: {source}", ""]
    lines += [f"  {'feature':<18}value  from"]
    for name, value in suitability.values.items():
        lines.append(f"  {name:<18}{_signed(value.value):>5}  {value.origin}")
    lines += ["", f"  {'candidate':<18}score  weight x value of each feature"]
    lines += [_candidate(candidate) for candidate in suitability.candidates]
    lines += ["", *(_conclusion(suitability) if decides else ()), _checked(suitability)]
    return "\n".join(lines)


def _candidate(candidate: Candidate) -> str:
    if candidate.excluded:
        line = f"  {candidate.name:<18}    -  cannot be used: {line_of(candidate.excluded, 200)}"
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


def _checked(suitability: Suitability) -> str:
    hosts = len(suitability.checked_hosts)
    return (
        f"  Kernel and architecture of {counted(hosts, 'host')} were checked."
        if hosts
        else "  No host was asked: requirements are checked by plan."
    )


def _signed(value: float) -> str:
    return f"{value:+g}" if value else "0"
