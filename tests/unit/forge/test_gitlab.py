# SPDX-License-Identifier: Apache-2.0
"""GitLab's adapter through python-gitlab, on answers of the shape that its documentation gives."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from fleetsched.errors import FleetschedError, RefusedError
from fleetsched.forge.gitlab import GitLab
from fleetsched.forge.pulls import Comment, Pull, Review
from fleetsched.model.controller import ForgeAccess
from fleetsched.model.proposal import State
from tests.unit.forge.canned import REFUSALS, Canned

HEAD = "1c" * 20
HERE = "/api/v4/projects/acme%2Ffleet"
MR = f"{HERE}/merge_requests/3"
ANSWER = {
    "id": 300, "iid": 3, "state": "opened", "title": "Run fair", "description": "why", "sha": HEAD,
    "source_branch": "fleetsched/proposal/web", "target_branch": "main", "source_project_id": 1,
    "target_project_id": 1, "author": {"username": "bot"}, "merge_commit_sha": None,
    "created_at": "2026-01-02T04:04:05.123+01:00", "updated_at": "2026-01-02T03:04:06.000Z",
}  # fmt: skip
PULL = Pull(
    3, "fleetsched/proposal/web", False, "main", HEAD, "Run fair", "why", "bot", State.OPEN,
    "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z",
)  # fmt: skip


@pytest.fixture
def gitlab(server: Canned) -> GitLab:
    return GitLab(ForgeAccess("gitlab", "acme/fleet", server.url), "the-token")


def test_merge_requests_are_read_the_newest_first(server: Canned, gitlab: GitLab) -> None:
    merged = {**ANSWER, "iid": 2, "state": "merged", "merge_commit_sha": "3a" * 20}
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
    approved = [{"user": {"username": "alice"}, "approved_at": approved_at}]
    server.answers[f"GET {MR}/approvals"] = (200, {"approved_by": approved})
    server.answers[f"GET {MR}/versions"] = (
        200,
        [
            {"id": 2, "head_commit_sha": HEAD, "created_at": "2026-01-02T04:00:00.000Z"},
            {"id": 1, "head_commit_sha": "2b" * 20, "created_at": "2026-01-02T03:00:00.000Z"},
        ],
    )
    at = approved_at.replace(".000Z", "Z") if approved_at else ""
    assert gitlab.reviews(PULL) == [Review("alice", commit, at, True)]


def test_what_is_sent_is_as_documented(server: Canned, gitlab: GitLab) -> None:
    server.answers |= {
        f"POST {HERE}/merge_requests": (201, ANSWER),
        f"PUT {MR}": (200, ANSWER),
        f"POST {MR}/approve": (201, {}),
        f"POST {HERE}/statuses/{HEAD}": (201, {}),
        f"POST {MR}/notes": (201, {"id": 9}),
        f"PUT {MR}/notes/9": (200, {"id": 9}),
        f"GET {MR}/notes": (200, [{"id": 9, "author": {"username": "bot"}, "body": "new"}]),
    }
    assert gitlab.create(PULL.branch, "main", "Run fair", "why") == PULL
    assert server.body_of(f"POST {HERE}/merge_requests")["labels"] == "fleetsched"
    gitlab.edit(PULL, "t", "b")
    assert server.body_of(f"PUT {MR}") == {"title": "t", "description": "b"}
    gitlab.close(PULL)
    assert server.body_of(f"PUT {MR}") == {"state_event": "close"}
    gitlab.approve(PULL, "runs")
    assert server.body_of(f"POST {MR}/approve") == {"sha": HEAD}
    gitlab.check(HEAD, "fleetsched review", False, "not good", "text")
    assert server.body_of(f"POST {HERE}/statuses/{HEAD}")["state"] == "failed"
    gitlab.comment(PULL, "new", None)
    assert gitlab.comments(PULL) == [Comment(9, "bot", "new")]
    gitlab.comment(PULL, "newer", Comment(9, "bot", "new"))
    assert server.body_of(f"PUT {MR}/notes/9") == {"body": "newer"}


def test_what_is_sent_and_asked_for_has_names_that_the_client_library_knows(
    server: Canned, gitlab: GitLab
) -> None:
    from gitlab.v4.objects import ProjectCommitStatusManager as Statuses
    from gitlab.v4.objects import ProjectMergeRequestManager as Requests

    server.answers |= {
        f"GET {HERE}/merge_requests": (200, []),
        f"POST {HERE}/merge_requests": (201, ANSWER),
        f"PUT {MR}": (200, ANSWER),
        f"POST {HERE}/statuses/{HEAD}": (201, {}),
    }
    gitlab.newest()
    asked = parse_qs(urlsplit(server.asked[-1][0].partition(" ")[2]).query)
    assert set(asked) - {"per_page"} <= set(Requests._list_filters)
    gitlab.create(PULL.branch, "main", "t", "b")
    made = Requests._create_attrs
    assert set(server.body_of(f"POST {HERE}/merge_requests")) <= {*made.required, *made.optional}
    gitlab.edit(PULL, "t", "b")
    assert set(server.body_of(f"PUT {MR}")) <= set(Requests._update_attrs.optional)
    gitlab.close(PULL)
    assert set(server.body_of(f"PUT {MR}")) <= set(Requests._update_attrs.optional)
    gitlab.check(HEAD, "fleetsched review", True, "good", "text")
    said = Statuses._create_attrs
    assert set(server.body_of(f"POST {HERE}/statuses/{HEAD}")) <= {*said.required, *said.optional}


def test_exactly_the_tip_is_merged_by_a_merge_commit(server: Canned, gitlab: GitLab) -> None:
    server.answers[f"PUT {MR}/merge"] = (200, {**ANSWER, "state": "merged", "merge_commit_sha": "3a" * 20})
    assert gitlab.merge(PULL, "Merge it", "Approved-by: alice") == "3a" * 20
    assert server.asked[-1][0] == f"PUT {MR}/merge?sha={HEAD}"
    server.answers[f"PUT {MR}/merge"] = (200, {**ANSWER, "state": "merged"})
    with pytest.raises(RefusedError, match="without a merge commit"):
        gitlab.merge(PULL, "t", "m")


@REFUSALS
def test_refusals_are_told(
    server: Canned, gitlab: GitLab, status: int, error: type[FleetschedError], said: str
) -> None:
    server.answers[f"PUT {MR}/merge"] = (status, {"message": "not enough approvals"})
    with pytest.raises(error) as caught:
        gitlab.merge(PULL, "t", "m")
    assert said in caught.value.message
    assert caught.value.message.startswith("GitLab, acme/fleet: cannot merge a merge request")


def test_a_group_is_a_team(server: Canned, gitlab: GitLab) -> None:
    server.answers["GET /api/v4/groups/acme%2Fkernel/members/all"] = (200, [{"id": 1, "username": "alice"}])
    assert gitlab.is_member("acme/kernel", "alice")
    assert not gitlab.is_member("acme/kernel", "bob")
