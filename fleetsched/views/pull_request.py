# SPDX-License-Identifier: Apache-2.0
"""The body of a proposal's pull request: what a reviewer needs to judge it in five minutes.

Markdown of this file frames foreign text, which is shown as code: see views/markdown.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fleetsched.model.proposal import BRANCHES, Briefing
from fleetsched.model.wording import counted, listed
from fleetsched.views.markdown import block, code, plain, shortened
from fleetsched.views.measured_markdown import gates_markdown, loses_markdown, measured_markdown

MOST_TITLE = 120
_MOST_HOSTS = 40
_MOST_WORDS = 8000


def title_text(title: str) -> str:
    """A pull request's title: one line, without markup."""
    return plain(title, MOST_TITLE)


def body_markdown(
    goal: str, policy: str, title: str, why: str, fingerprint: str, briefing: Briefing, most: int
) -> str:
    """The whole body, of at most `most` characters; tables are cut first, and it says so.

    The first five are a proposal's; `briefing` is what else there is to tell; `most` is 2,000 at least.
    """
    for rows, words in ((200, _MOST_WORDS), (12, _MOST_WORDS), (3, 2000), (0, 500)):
        sections = chain(
            _change(goal, policy, title, briefing),
            _reasons(briefing.reasons or why, briefing, words),
            measured_markdown(briefing.evidence, briefing.held_out, rows, briefing.unmeasured),
            _line_up(briefing),
            loses_markdown(briefing.evidence, rows, briefing.unmeasured),
            gates_markdown(briefing.gates, rows),
            _provenance(fingerprint, briefing),
            _next(goal, policy),
        )
        text = "\n".join(sections) + "\n"
        if len(text) <= most:
            return text
    return shortened(text, most)


def _change(goal: str, policy: str, title: str, briefing: Briefing) -> Iterator[str]:
    yield f"## {plain(title, MOST_TITLE)}"
    yield ""
    yield "| what changes | |"
    yield "|---|---|"
    yield f"| goal | {code(goal)} |"
    yield f"| hosts | {_hosts(briefing.hosts)} |"
    yield f"| they run now | {code(briefing.before, 300) if briefing.before else 'no policy is set'} |"
    yield f"| they would run | {code(briefing.after or policy, 300)} |"
    yield ""


def _hosts(names: tuple[str, ...]) -> str:
    if not names:
        return "not said"
    return f"{len(names)}: {listed([code(name, 64) for name in names], _MOST_HOSTS)}"


def _reasons(why: str, briefing: Briefing, most: int) -> Iterator[str]:
    yield "### Why this policy"
    yield ""
    yield block(why, most)
    yield ""
    if briefing.explanation:
        about = f", and which preferred {code(briefing.rejected[0].candidate)}" if briefing.rejected else ""
        yield f"In the words of {code(briefing.model or briefing.backend)}, which nobody has checked{about}:"
        yield ""
        yield block(briefing.explanation, most)
        yield ""


def _line_up(briefing: Briefing) -> Iterator[str]:
    if briefing.in_line <= 1:
        return
    rejected = briefing.rejected
    yield (
        f"{briefing.in_line} candidates stood in line for this, the best of the search first; this is number "
        f'{len(rejected) + 1}, the first that passed. "better" was corrected for all {briefing.in_line}.'
    )
    yield ""
    for each in rejected:
        yield f"- not proposed: {code(each.candidate)}: {code(each.why, 300)}"
    if rejected:
        yield ""


def _provenance(fingerprint: str, briefing: Briefing) -> Iterator[str]:
    yield "### Where it comes from"
    yield ""
    yield "| | |"
    yield "|---|---|"
    who = code(briefing.backend) if briefing.backend else "comparing what policies declare"
    yield f"| chosen by | {who} |"
    if briefing.model:
        yield f"| model | {code(briefing.model)} |"
    yield f"| cost | {_cost(briefing)} |"
    tried = counted(briefing.candidates, "candidate") if briefing.candidates else "nothing"
    yield f"| tried | {tried} |"
    if briefing.transcript:
        yield f"| transcript, SHA-256 | {code(briefing.transcript)} |"
    yield f"| chosen from, SHA-256 | {code(fingerprint)} |"
    yield ""


def _cost(briefing: Briefing) -> str:
    minutes = f"{briefing.wall_s / 60:.0f} min of one machine"
    if not briefing.tokens:
        return minutes if briefing.wall_s >= 30 else "no model, no measuring"
    return f"{briefing.usd:.2f} US dollars, {counted(briefing.tokens, 'token')}, {minutes}"


def _next(goal: str, policy: str) -> Iterator[str]:
    branch = f"{BRANCHES}{goal}"
    yield "### Try it in the lab"
    yield ""
    yield "```sh"
    yield f"git fetch origin && git switch {branch}"
    yield "fleetsched review check                # builds, inspects and compares; runs nothing of it"
    yield f"fleetsched verify {policy} --kernels all    # the gates, in virtual machines"
    yield "fleetsched lab up && fleetsched apply -i inventory/lab.yaml --unreviewed"
    yield "```"
    yield ""
    yield "### Undo it"
    yield ""
    yield f"- before it is merged: `fleetsched review close {goal} --reason WHY`; it is not proposed again;"
    yield "- on hosts, at once: `fleetsched rollback`; what it leaves is held and not tried again;"
    yield "- for good: `git revert -m 1 MERGE`, have that merged, then `fleetsched apply`."
    yield ""
    yield (
        "Merging lets this policy run on the hosts above, canary first, each on trial until its health checks"
        " pass. An approval counts for exactly the commit that was looked at."
    )
