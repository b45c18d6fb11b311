# SPDX-License-Identifier: Apache-2.0
"""GitLab's adapter on prepared answers. That those are as described: test_gitlab_published.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleetsched.errors import ConflictError, FleetschedError, RefusedError
from fleetsched.forge.gitlab import GitLab
from fleetsched.forge.pulls import Comment, Pull, Review
from fleetsched.model.controller import ForgeAccess
from fleetsched.model.proposal import State
from tests.unit.forge.canned import Canned

HEAD = "1c" * 20
HERE = "/api/v4/projects/acme%2Ffleet"
MR = f"{HERE}/merge_requests/3"
USER: dict[str, Any] = {
    "id": 2, "name": "The bot", "username": "bot", "state": "active",
    "avatar_url": "https://forge.example/bot.png", "web_url": "https://forge.example/bot",
}  # fmt: skip
ALICE = {**USER, "id": 1, "username": "alice"}
ANSWER: dict[str, Any] = {
    "id": 300, "iid": 3, "project_id": 1, "state": "opened", "title": "Run fair", "description": "why",
    "sha": HEAD, "source_branch": "fleetsched/proposal/web", "target_branch": "main",
    "source_project_id": 1, "target_project_id": 1, "author": USER, "merge_commit_sha": None,
    "squash_commit_sha": None, "draft": False, "labels": ["fleetsched"],
    "created_at": "2026-01-02T04:04:05.123+01:00", "updated_at": "2026-01-02T03:04:06.000Z",
}  # fmt: skip
MERGED = {**ANSWER, "state": "merged", "merge_commit_sha": "3a" * 20}
PROJECT = {"id": 1, "merge_method": "merge", "squash_option": "default_off"}
VERSIONS: list[dict[str, Any]] = [
    {"id": 2, "head_commit_sha": HEAD, "created_at": "2026-01-02T04:00:00.000Z"},
    {"id": 1, "head_commit_sha": "2b" * 20, "created_at": "2026-01-02T03:00:00.000Z"},
]
NOTE = {"id": 9, "author": USER, "body": "new"}


def approvals(*given: dict[str, Any]) -> dict[str, Any]:
    return {"approved_by": list(given)}


PULL = Pull(
    3, "fleetsched/proposal/web", False, "main", HEAD, "Run fair", "why", "bot", State.OPEN,
    "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z",
)  # fmt: skip


def test_merge_requests_are_read_the_newest_first(server: Canned, gitlab: GitLab) -> None:
    merged = {**MERGED, "iid": 2}
    fork = {**ANSWER, "iid": 1, "state": "closed", "source_project_id": 9}
    server.answers[f"GET {HERE}/merge_requests"] = (200, [ANSWER, merged, fork])
    first, second, third = gitlab.newest()
    assert first == PULL
    assert (second.state, second.merged_as) == (State.MERGED, "3a" * 20)
    assert (third.state, third.foreign) == (State.CLOSED, True)
    assert server.headers["PRIVATE-TOKEN"] == "the-token"


@pytest.mark.parametrize(
    ("approved_at", "commit"),
    [
        ("2026-01-02T03:30:00.000Z", "2b" * 20),
        ("2026-01-02T04:30:00.000Z", HEAD),
        ("2026-01-02T04:00:00.000Z", "2b" * 20),
        ("2026-01-02T02:00:00.000Z", ""),
        (None, ""),
    ],
)
def test_an_approval_counts_for_what_was_the_newest_commit_then(
    server: Canned, gitlab: GitLab, approved_at: str | None, commit: str
) -> None:
    approved = approvals({"user": ALICE, "approved_at": approved_at})
    server.answers[f"GET {MR}/approvals"] = (200, approved)
    server.answers[f"GET {MR}/versions"] = (200, VERSIONS)
    at = approved_at.replace(".000Z", "Z") if approved_at else ""
    assert gitlab.reviews(PULL) == [Review("alice", commit, at, True)]


@pytest.mark.parametrize(
    ("fields", "commit"),
    [
        ({"merge_commit_sha": "3a" * 20, "squash_commit_sha": "4d" * 20}, "3a" * 20),
        ({"merge_commit_sha": None, "squash_commit_sha": "4d" * 20}, "4d" * 20),
        ({"merge_commit_sha": None, "squash_commit_sha": None}, HEAD),
    ],
)
def test_what_people_merged_in_another_way_has_its_commit_too(
    server: Canned, gitlab: GitLab, fields: dict[str, str | None], commit: str
) -> None:
    server.answers[f"GET {HERE}/merge_requests"] = (200, [{**MERGED, **fields}])
    assert [pull.merged_as for pull in gitlab.newest()] == [commit]


def test_the_token_goes_to_the_configured_host_whatever_the_next_page_is_said_to_be(
    server: Canned, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetsched.forge.gitlab.MOST_PULLS", 2)
    server.answers[f"GET {HERE}/merge_requests"] = (200, [ANSWER])
    second = f"{HERE}/merge_requests?per_page=100&state=all&order_by=created_at&sort=desc&page=2"
    server.says["Link"] = f'<https://other.example{second}>; rel="next"'
    assert len(gitlab.newest()) == 2
    where, _, query = server.asked[1][0].partition("?")
    assert where == f"GET {HERE}/merge_requests"
    assert set(query.split("&")) == set(second.partition("?")[2].split("&"))


def test_what_is_sent(server: Canned, gitlab: GitLab) -> None:
    server.answers |= {
        f"POST {HERE}/merge_requests": (201, ANSWER),
        f"PUT {MR}": (200, ANSWER),
        f"POST {HERE}/statuses/{HEAD}": (201, {}),
        f"POST {MR}/notes": (201, NOTE),
        f"PUT {MR}/notes/9": (200, NOTE),
        f"GET {MR}/notes": (200, [NOTE]),
    }
    assert gitlab.create(PULL.branch, "main", "Run fair", "why") == PULL
    made = server.body_of(f"POST {HERE}/merge_requests")
    assert (made["labels"], made["squash"]) == ("fleetsched", False)
    gitlab.edit(PULL, "t", "b")
    assert server.body_of(f"PUT {MR}") == {"title": "t", "description": "b"}
    gitlab.close(PULL)
    assert server.body_of(f"PUT {MR}") == {"state_event": "close"}
    gitlab.check(HEAD, "fleetsched review", False, "not good", "text")
    assert server.body_of(f"POST {HERE}/statuses/{HEAD}")["state"] == "failed"
    gitlab.comment(PULL, "new", None)
    assert gitlab.comments(PULL) == [Comment(9, "bot", "new")]
    gitlab.comment(PULL, "newer", Comment(9, "bot", "new"))
    assert server.body_of(f"PUT {MR}/notes/9") == {"body": "newer"}


@pytest.mark.parametrize(
    ("before", "after"),
    [("Draft: Run fair", "Draft: t"), ("[DRAFT] Run fair", "[DRAFT] t"), ("Drafty: Run fair", "t")],
)
def test_what_people_made_a_draft_stays_one(server: Canned, gitlab: GitLab, before: str, after: str) -> None:
    server.answers[f"PUT {MR}"] = (200, ANSWER)
    gitlab.edit(replace(PULL, title=before), "t", "b")
    assert server.body_of(f"PUT {MR}")["title"] == after


@pytest.mark.parametrize(
    ("given", "asked"),
    [([], ["approve"]), ([ALICE], ["approve"]), ([ALICE, USER], ["unapprove", "approve"])],
)
def test_an_approval_of_an_earlier_commit_is_taken_back_before_another_is_given(
    server: Canned, gitlab: GitLab, given: list[dict[str, Any]], asked: list[str]
) -> None:
    server.answers |= {
        "GET /api/v4/user": (200, USER),
        f"GET {MR}/approvals": (200, approvals(*({"user": each} for each in given))),
        f"POST {MR}/approve": (201, approvals({"user": USER})),
        f"POST {MR}/unapprove": (201, approvals()),
    }
    gitlab.approve(PULL, "runs")
    assert [each for each, _ in server.asked if each.startswith("POST")] == [
        f"POST {MR}/{each}" for each in asked
    ]
    assert server.body_of(f"POST {MR}/approve") == {"sha": HEAD}


def test_exactly_the_tip_is_merged_by_a_merge_commit(server: Canned, gitlab: GitLab) -> None:
    server.answers |= {f"GET {HERE}": (200, PROJECT), f"PUT {MR}/merge": (200, MERGED)}
    assert gitlab.merge(PULL, "Merge it", "Approved-by: alice") == "3a" * 20
    assert server.body_of(f"PUT {MR}/merge") == {
        "sha": HEAD,
        "squash": False,
        "merge_commit_message": "Merge it\n\nApproved-by: alice",
    }


@pytest.mark.parametrize("fields", [{"merge_method": "ff"}, {"squash_option": "always"}])
def test_nothing_is_merged_where_the_project_makes_no_merge_commit_of_the_tip(
    server: Canned, gitlab: GitLab, fields: dict[str, str]
) -> None:
    server.answers[f"GET {HERE}"] = (200, {**PROJECT, **fields})
    with pytest.raises(RefusedError, match="does not merge by a merge commit of what was approved"):
        gitlab.merge(PULL, "t", "m")
    assert [each for each, _ in server.asked] == [f"GET {HERE}"]


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, FleetschedError, "the token may not: not mergeable"),
        (403, FleetschedError, "the token may not: not mergeable"),
        (405, RefusedError, "the forge's rules do not let it be: not mergeable"),
        (409, ConflictError, "it changed at the same time: not mergeable"),
        (422, RefusedError, "refused: not mergeable"),
        (429, FleetschedError, "too many requests, for 30 s more"),
        (500, FleetschedError, "the forge failed (HTTP 500): not mergeable"),
    ],
)
def test_refusals_are_told_at_once(
    server: Canned, gitlab: GitLab, status: int, error: type[FleetschedError], said: str
) -> None:
    server.answers |= {
        f"GET {HERE}": (200, PROJECT),
        f"PUT {MR}/merge": (status, {"message": "not mergeable"}),
    }
    server.says["Retry-After"] = "30"
    with pytest.raises(error) as caught:
        gitlab.merge(PULL, "t", "m")
    assert caught.value.message == f"GitLab, acme/fleet: cannot merge a merge request: {said}"
    assert len(server.asked) == 2


def test_a_token_that_is_not_accepted_is_told(server: Canned, gitlab: GitLab) -> None:
    server.answers["GET /api/v4/user"] = (401, {"message": "401 Unauthorized"})
    with pytest.raises(FleetschedError, match="the token is not accepted: 401 Unauthorized"):
        gitlab.user()


def test_a_group_is_a_team(server: Canned, gitlab: GitLab) -> None:
    server.answers["GET /api/v4/groups/acme%2Fkernel/members/all"] = (200, [ALICE])
    assert gitlab.is_member("acme/kernel", "alice")
    assert not gitlab.is_member("acme/kernel", "bob")


def test_a_server_may_be_in_a_folder_and_a_project_in_groups(server: Canned) -> None:
    inside = GitLab(ForgeAccess("gitlab", "acme/kernel/fleet.d", f"{server.url}/git/"), "the-token")
    server.answers["GET /git/api/v4/projects/acme%2Fkernel%2Ffleet.d/merge_requests"] = (200, [ANSWER])
    assert inside.newest() == [PULL]


def test_proxies_are_those_of_the_environment(server: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    server.answers[f"GET {HERE}/merge_requests"] = (200, [])
    assert GitLab(ForgeAccess("gitlab", "acme/fleet", "http://forge.example"), "t").newest() == []
    assert server.asked[-1][0].startswith(f"GET http://forge.example{HERE}/merge_requests?")
