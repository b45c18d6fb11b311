# SPDX-License-Identifier: Apache-2.0
"""The body of a proposal's pull request: what a reviewer needs to judge it in five minutes.

Markdown of this file frames foreign text, which is shown as code: see views/markdown.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fleetsched.model.proposal import BRANCHES, Account
from fleetsched.views.markdown import block, code, plain, shortened
from fleetsched.views.measured_markdown import gates_markdown, loses_markdown, measured_markdown

MOST_TITLE = 120
_MOST_HOSTS = 40
_MOST_WORDS = 8000


def title_text(title: str) -> str:
    """A pull request's title: one line, without markup."""
    return plain(title, MOST_TITLE)


def body_markdown(
    goal: str, policy: str, title: str, why: str, fingerprint: str, account: Account, most: int
) -> str:
    """The whole body, of at most `most` characters; tables are cut first, and it says so.

    The first five are a proposal's; `account` is what else there is to tell; `most` is 2,000 at least.
    """
    for rows, words in ((200, _MOST_WORDS), (12, _MOST_WORDS), (3, 2000), (0, 500)):
        sections = chain(
            _change(goal, policy, title, account),
            _reasons(why, account, words),
            measured_markdown(account.evidence, account.held_out, rows),
            loses_markdown(account.evidence, rows),
            gates_markdown(account.gates, rows),
            _provenance(fingerprint, account),
            _next(goal, policy),
        )
        text = "\n".join(sections) + "\n"
        if len(text) <= most:
            return text
    return shortened(text, most)


def _change(goal: str, policy: str, title: str, account: Account) -> Iterator[str]:
    yield f"## {plain(title, MOST_TITLE)}"
    yield ""
    yield "| what changes | |"
    yield "|---|---|"
    yield f"| goal | {code(goal)} |"
    yield f"| hosts | {_hosts(account.hosts)} |"
    yield f"| they run now | {code(account.before, 300) if account.before else 'no policy is set'} |"
    yield f"| they would run | {code(account.after or policy, 300)} |"
    yield ""


def _hosts(names: tuple[str, ...]) -> str:
    if not names:
        return "not said"
    more = len(names) - _MOST_HOSTS
    shown = ", ".join(code(name, 64) for name in names[:_MOST_HOSTS])
    return f"{len(names)}: {shown}" + (f" and {more} more" if more > 0 else "")


def _reasons(why: str, account: Account, most: int) -> Iterator[str]:
    yield "### Why this policy"
    yield ""
    yield block(why, most)
    yield ""
    if account.explanation:
        yield f"In the words of {code(account.model or account.backend)}, which nobody has checked:"
        yield ""
        yield block(account.explanation, most)
        yield ""


def _provenance(fingerprint: str, account: Account) -> Iterator[str]:
    yield "### Where it comes from"
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| chosen by | {code(account.backend) if account.backend else 'comparing what policies declare'} |"
    if account.model:
        yield f"| model | {code(account.model)} |"
    yield f"| cost | {_cost(account)} |"
    yield f"| tried | {account.candidates} candidates |" if account.candidates else "| tried | nothing |"
    if account.transcript:
        yield f"| transcript, SHA-256 | {code(account.transcript)} |"
    yield f"| chosen from, SHA-256 | {code(fingerprint)} |"
    yield ""


def _cost(account: Account) -> str:
    minutes = f"{account.wall_s / 60:.0f} min of one machine"
    if not account.tokens:
        return minutes if account.wall_s >= 30 else "no model, no measuring"
    return f"{account.usd:.2f} US dollars, {account.tokens:,} tokens, {minutes}"


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
