# SPDX-License-Identifier: Apache-2.0
"""The comments of a pull request that fleetsched keeps: one a topic, rewritten when there is news."""

from __future__ import annotations

from fleetsched.forge.pulls import Comment, Pull, PullRequests
from fleetsched.secrets import redact
from fleetsched.views.markdown import shortened

ROOM = 1200
"""Characters that a body or comment needs for its record or mark."""


def tell(api: PullRequests, pull: Pull, topic: str, text: str) -> None:
    """Bring the comment of a topic to this text; one that somebody else wrote with its mark is left alone.

    Args:
        api: of the forge.
        pull: where.
        topic: such as `hosts`.
        text: Markdown, with what is foreign in it made harmless.
    """
    mark = f"<!-- fleetsched:comment {topic} -->"
    body = f"{shortened(redact(text), api.most_body - ROOM)}\n\n{mark}\n"
    own = next((each for each in api.comments(pull) if _is_own(each, mark, api.user())), None)
    if own is None or own.text.rstrip() != body.rstrip():
        api.comment(pull, body, own)


def _is_own(comment: Comment, mark: str, user: str) -> bool:
    # A workflow's token does not say whose it is, but all of those are bots.
    by_us = comment.by == user if user else comment.by.endswith("[bot]")
    return by_us and comment.text.rstrip().endswith(mark)
