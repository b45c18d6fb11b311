# SPDX-License-Identifier: Apache-2.0
"""Forgejo as published: pyforgejo, generated from its schema, asks the same and can read the same answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fleetsched.forge.forgejo import Forgejo
from fleetsched.forge.pulls import LABEL, Comment
from tests.unit.forge.canned import Canned
from tests.unit.forge.test_forgejo import ANSWER, HEAD, HERE, PULL, USER, review

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pyforgejo import PyforgejoApi

WHERE = ("acme", "fleet")
LABELS = [{"id": 7, "name": LABEL, "color": "1d76db", "description": "", "url": "http://forge.example/7"}]
COMMENT = {"id": 9, "body": "new", "user": USER, "created_at": "2026-01-02T03:04:05Z"}
STATUS = {"id": 1, "context": "fleetsched review", "status": "failure", "creator": USER}
TEAM = {"id": 4, "name": "kernel", "permission": "write"}
ANSWERS: dict[str, tuple[int, Any]] = {
    "GET /api/v1/user": (200, USER),
    "GET /api/v1/orgs/acme/teams": (200, [TEAM]),
    "GET /api/v1/teams/4/members": (200, [USER]),
    f"GET {HERE}/labels": (200, LABELS),
    f"POST {HERE}/labels": (201, LABELS[0]),
    f"GET {HERE}/pulls": (200, [ANSWER]),
    f"POST {HERE}/pulls": (201, ANSWER),
    f"GET {HERE}/pulls/3": (200, {**ANSWER, "merged": True, "merge_commit_sha": "3a" * 20}),
    f"PATCH {HERE}/pulls/3": (201, ANSWER),
    f"POST {HERE}/pulls/3/merge": (200, None),
    f"GET {HERE}/pulls/3/reviews": (200, [review("APPROVED")]),
    f"POST {HERE}/pulls/3/reviews": (200, review("APPROVED")),
    f"GET {HERE}/issues/3/comments": (200, [COMMENT]),
    f"POST {HERE}/issues/3/comments": (201, COMMENT),
    f"PATCH {HERE}/issues/comments/9": (200, COMMENT),
    f"POST {HERE}/statuses/{HEAD}": (201, STATUS),
}


@dataclass(frozen=True)
class Same:
    """What the adapter does, and the published calls that ask for the same."""

    ours: Callable[[Forgejo], object]
    published: Callable[[PyforgejoApi], object]


def opened(api: PyforgejoApi) -> None:
    api.issue.list_labels(*WHERE, page=1, limit=50)
    branch = PULL.branch
    api.repository.repo_create_pull_request(*WHERE, head=branch, base="main", title="t", body="b", labels=[7])


def merged(api: PyforgejoApi) -> None:
    api.repository.repo_merge_pull_request(
        *WHERE, 3, do="merge", head_commit_id=HEAD, merge_title_field="t", merge_message_field="m"
    )
    api.repository.repo_get_pull_request(*WHERE, 3)


def looked_up(api: PyforgejoApi) -> None:
    api.organization.org_list_teams("acme", page=1, limit=50)
    api.organization.org_list_team_members(4, page=1, limit=50)


SAME = {
    "list": Same(
        lambda our: our.newest(),
        lambda api: api.repository.repo_list_pull_requests(*WHERE, state="all", page=1, limit=50),
    ),
    "open": Same(lambda our: our.create(PULL.branch, "main", "t", "b"), opened),
    "edit": Same(
        lambda our: our.edit(PULL, "t", "b"),
        lambda api: api.repository.repo_edit_pull_request(*WHERE, 3, title="t", body="b"),
    ),
    "close": Same(
        lambda our: our.close(PULL),
        lambda api: api.repository.repo_edit_pull_request(*WHERE, 3, state="closed"),
    ),
    "reviews": Same(
        lambda our: our.reviews(PULL),
        lambda api: api.repository.repo_list_pull_reviews(*WHERE, 3, page=1, limit=50),
    ),
    "approve": Same(
        lambda our: our.approve(PULL, "runs"),
        lambda api: api.repository.repo_create_pull_review(
            *WHERE, 3, event="APPROVED", body="runs", commit_id=HEAD
        ),
    ),
    "merge": Same(lambda our: our.merge(PULL, "t", "m"), merged),
    "comments": Same(lambda our: our.comments(PULL), lambda api: api.issue.get_comments(*WHERE, 3)),
    "comment": Same(
        lambda our: our.comment(PULL, "new", None),
        lambda api: api.issue.create_comment(*WHERE, 3, body="new"),
    ),
    "rewrite": Same(
        lambda our: our.comment(PULL, "newer", Comment(9, "bot", "new")),
        lambda api: api.issue.edit_comment(*WHERE, 9, body="newer"),
    ),
    "check": Same(
        lambda our: our.check(HEAD, "fleetsched review", False, "not good", "text"),
        lambda api: api.repository.repo_create_status(
            *WHERE, HEAD, context="fleetsched review", state="failure", description="not good"
        ),
    ),
    "user": Same(lambda our: our.user(), lambda api: api.user.get_current()),
    "team": Same(lambda our: our.is_member("acme/kernel", "alice"), looked_up),
}


def asked(server: Canned, act: Callable[[], object]) -> list[tuple[str, str, dict[str, list[str]], Any]]:
    """Method, path, query and body of each request of something."""
    server.asked.clear()
    act()
    found = []
    for request, body in server.asked:
        method, _, where = request.partition(" ")
        found.append((method, urlsplit(where).path, parse_qs(urlsplit(where).query), body))
    return found


@pytest.mark.parametrize("name", SAME)
def test_what_is_asked_and_answered_is_as_published(name: str, server: Canned, forgejo: Forgejo) -> None:
    from pyforgejo import PyforgejoApi

    server.answers = dict(ANSWERS)
    api = PyforgejoApi(base_url=f"{server.url}/api/v1", api_key="the-token")
    same = SAME[name]
    assert asked(server, lambda: same.ours(forgejo)) == asked(server, lambda: same.published(api))


def test_a_label_that_is_not_there_is_made_as_published(server: Canned, forgejo: Forgejo) -> None:
    from pyforgejo import PyforgejoApi

    server.answers = {**ANSWERS, f"GET {HERE}/labels": (200, [])}
    api = PyforgejoApi(base_url=f"{server.url}/api/v1", api_key="the-token")
    ours = asked(server, lambda: forgejo.create(PULL.branch, "main", "t", "b"))
    made = asked(server, lambda: api.issue.create_label(*WHERE, name=LABEL, color="#1d76db"))
    assert ours[1:2] == made


def test_prepared_answers_have_published_fields_only() -> None:
    from pyforgejo import types

    assert unknown(types.PullRequest, ANSWER) == set()
    assert unknown(types.PullReview, review("APPROVED")) == set()
    assert unknown(types.Comment, COMMENT) == set()
    assert unknown(types.CommitStatus, STATUS) == set()
    assert unknown(types.Team, TEAM) == set()
    for end in ("head", "base"):
        assert unknown(types.PrBranchInfo, ANSWER[end]) == set()


def unknown(model: type[BaseModel], answer: Any) -> set[str]:
    return set(answer) - {field.alias or name for name, field in model.model_fields.items()}
