# SPDX-License-Identifier: Apache-2.0
"""Forgejo's adapter on prepared answers. That those are as published: test_forgejo_published.py."""

from __future__ import annotations

from typing import Any

import pytest

from fleetsched.errors import FleetschedError
from fleetsched.forge.forgejo import Forgejo
from fleetsched.forge.pulls import Pull, Review
from fleetsched.model.controller import ForgeAccess
from fleetsched.model.proposal import State
from tests.unit.forge.canned import REFUSALS, Canned, canned

HEAD = "1c" * 20
HERE = "/api/v1/repos/acme/fleet"
USER = {"id": 1, "login": "alice"}
ANSWER = {
    "number": 3,
    "state": "open",
    "title": "Run fair",
    "body": "why",
    "user": {"id": 2, "login": "bot"},
    "head": {"ref": "fleetsched/proposal/web", "sha": HEAD, "repo_id": 1},
    "base": {"ref": "main", "sha": "2b" * 20, "repo_id": 1},
    "merged": False,
    "merge_commit_sha": None,
    "created_at": "2026-01-02T03:04:05Z",
    "updated_at": "2026-01-02T03:04:06Z",
}
PULL = Pull(
    3, "fleetsched/proposal/web", False, "main", HEAD, "Run fair", "why", "bot", State.OPEN,
    "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z",
)  # fmt: skip


def review(state: str, by: str = "alice", **fields: Any) -> dict[str, Any]:
    said = {"state": state, "user": {"id": 1, "login": by}, "commit_id": HEAD, "body": "", "dismissed": False}
    return said | {"submitted_at": "2026-01-02T03:04:07Z"} | fields


def test_pull_requests_are_read_the_newest_first(server: Canned, forgejo: Forgejo) -> None:
    merged = {**ANSWER, "number": 2, "state": "closed", "merged": True, "merge_commit_sha": "3a" * 20}
    fork = {**ANSWER, "number": 1, "state": "closed", "head": {**ANSWER["head"], "repo_id": 9}}  # type: ignore[dict-item]
    server.answers[f"GET {HERE}/pulls"] = (200, [ANSWER, merged, fork])
    first, second, third = forgejo.newest()
    assert first == PULL
    assert (second.state, second.merged_as) == (State.MERGED, "3a" * 20)
    assert (third.state, third.foreign) == (State.CLOSED, True)
    assert server.asked == [(f"GET {HERE}/pulls?state=all&page=1&limit=50", None)]
    assert server.headers["Authorization"] == "token the-token"


def test_an_account_that_is_gone_has_no_name(server: Canned, forgejo: Forgejo) -> None:
    server.answers[f"GET {HERE}/pulls"] = (200, [{**ANSWER, "user": None}])
    server.answers[f"GET {HERE}/issues/3/comments"] = (200, [{"id": 7, "user": None, "body": "x"}])
    assert [each.author for each in forgejo.newest()] == [""]
    assert [each.by for each in forgejo.comments(PULL)] == [""]


def test_the_last_word_of_each_reviewer_counts(server: Canned, forgejo: Forgejo) -> None:
    listed = [
        review("REQUEST_CHANGES"), review("APPROVED"), review("COMMENT"), review("APPROVED", "bob"),
        review("APPROVED", "bob", dismissed=True), review("REQUEST_CHANGES", "carol"),
    ]  # fmt: skip
    server.answers[f"GET {HERE}/pulls/3/reviews"] = (200, listed)
    at = "2026-01-02T03:04:07Z"
    assert forgejo.reviews(PULL) == [Review("alice", HEAD, at, True), Review("carol", HEAD, at, False)]


def test_a_server_that_gives_smaller_pages_is_asked_for_all_of_them(server: Canned, forgejo: Forgejo) -> None:
    server.answers[f"GET {HERE}/pulls"] = (200, [ANSWER])
    server.totals[f"GET {HERE}/pulls"] = 3
    assert len(forgejo.newest()) == 3
    assert [asked.partition("&page=")[2] for asked, _ in server.asked] == [
        "1&limit=50",
        "2&limit=50",
        "3&limit=50",
    ]


def test_exactly_the_tip_is_merged(server: Canned, forgejo: Forgejo) -> None:
    server.answers[f"POST {HERE}/pulls/3/merge"] = (200, None)
    server.answers[f"GET {HERE}/pulls/3"] = (200, {**ANSWER, "merged": True, "merge_commit_sha": "3a" * 20})
    assert forgejo.merge(PULL, "Merge it", "Approved-by: alice") == "3a" * 20
    assert server.body_of(f"POST {HERE}/pulls/3/merge")["head_commit_id"] == HEAD


@REFUSALS
def test_refusals_are_told(
    server: Canned, forgejo: Forgejo, status: int, error: type[FleetschedError], said: str
) -> None:
    server.answers[f"POST {HERE}/pulls/3/merge"] = (status, {"message": "not enough approvals"})
    with pytest.raises(error) as caught:
        forgejo.merge(PULL, "t", "m")
    assert said in caught.value.message
    assert caught.value.message.startswith("Forgejo, acme/fleet: cannot merge a pull request")


def test_a_team_is_looked_up_by_its_name(server: Canned, forgejo: Forgejo) -> None:
    server.answers["GET /api/v1/orgs/acme/teams"] = (200, [{"id": 4, "name": "kernel"}])
    server.answers["GET /api/v1/teams/4/members"] = (200, [USER])
    assert forgejo.is_member("acme/kernel", "alice")
    assert not forgejo.is_member("acme/kernel", "bob")
    assert not forgejo.is_member("acme/web", "alice")


def test_a_server_that_is_not_there_is_told() -> None:
    with canned() as server:
        url = server.url
    gone = Forgejo(ForgeAccess("forgejo", "acme/fleet", f"{url}/api/v1"), "t")
    with pytest.raises(FleetschedError, match="no answer: ConnectionError"):
        gone.newest()
    with pytest.raises(FleetschedError, match="its URL is not set"):
        Forgejo(ForgeAccess("forgejo", "acme/fleet"), "t")
