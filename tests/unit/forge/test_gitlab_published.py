# SPDX-License-Identifier: Apache-2.0
"""GitLab as others know it: @gitbeaker/core has all that is asked, and all that is read of prepared answers.

GitLab publishes a description of its own, but in no package. That client's types are written by hand from
GitLab's manual, so they lack things; what matters here of that are GAPS, with who says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fleetsched.forge.gitlab import GitLab
from fleetsched.forge.pulls import Comment
from tests.github_emulator.contract import Contract, Operation
from tests.unit.forge.canned import Canned
from tests.unit.forge.test_gitlab import (
    ALICE,
    ANSWER,
    HEAD,
    HERE,
    MERGED,
    MR,
    NOTE,
    PROJECT,
    PULL,
    USER,
    VERSIONS,
    approvals,
)

CONTRACT = Contract(Path(__file__).parents[2] / "data" / "gitlab" / "openapi.json")
GIVEN = approvals({"user": ALICE, "approved_at": "2026-01-02T04:30:00.000Z"})
ANSWERS: dict[str, tuple[int, Any]] = {
    "GET /api/v4/user": (200, USER),
    "GET /api/v4/groups/acme%2Fkernel/members/all": (200, [ALICE]),
    f"GET {HERE}": (200, PROJECT),
    f"GET {HERE}/merge_requests": (200, [ANSWER, MERGED]),
    f"POST {HERE}/merge_requests": (201, ANSWER),
    f"PUT {MR}": (200, ANSWER),
    f"PUT {MR}/merge": (200, MERGED),
    f"GET {MR}/approvals": (200, GIVEN),
    f"GET {MR}/versions": (200, VERSIONS),
    f"POST {MR}/approve": (201, GIVEN),
    f"POST {MR}/unapprove": (201, GIVEN),
    f"GET {MR}/notes": (200, [NOTE]),
    f"POST {MR}/notes": (201, NOTE),
    f"PUT {MR}/notes/9": (200, NOTE),
    f"POST {HERE}/statuses/{HEAD}": (201, {"id": 1, "sha": HEAD, "status": "failed", "name": "review"}),
}
CALLS: dict[str, Callable[[GitLab], object]] = {
    "list": lambda our: our.newest(),
    "open": lambda our: our.create(PULL.branch, "main", "t", "b"),
    "edit": lambda our: our.edit(PULL, "t", "b"),
    "close": lambda our: our.close(PULL),
    "reviews": lambda our: our.reviews(PULL),
    "approve": lambda our: our.approve(PULL, "runs"),
    "merge": lambda our: our.merge(PULL, "t", "m"),
    "comments": lambda our: our.comments(PULL),
    "comment": lambda our: our.comment(PULL, "new", None),
    "rewrite": lambda our: our.comment(PULL, "newer", Comment(9, "bot", "new")),
    "check": lambda our: our.check(HEAD, "fleetsched review", False, "not good", "text"),
    "user": lambda our: our.user(),
    "team": lambda our: our.is_member("acme/kernel", "alice"),
}
GAPS = {
    # GitLab's own OpenAPI description has it; without it, pages have 20.
    "GET merge_requests/3/versions: no parameter per_page",
    # GitLab's own OpenAPI description, and python-gitlab: `all` is one of the states.
    "GET merge_requests: []: 'all' is not one of ['opened', 'closed', 'locked', 'merged']",
}


def found(about: str) -> Operation:
    method, _, path = about.partition(" ")
    operation = CONTRACT.find(method, path)
    assert operation is not None, about
    return operation


def each(answer: Any) -> list[Any]:
    return answer if isinstance(answer, list) else [answer]


def wrong(about: str, status: int, answer: Any) -> list[str]:
    """What is wrong with an answer that has just what matters here; the rest is made up."""
    operation = found(about)
    if not operation.description["responses"][str(status)]:
        return []  # of what a client throws away, nothing is said
    whole = [{**CONTRACT.sample(operation, status), **one} for one in each(answer)]
    return CONTRACT.wrong_answer(operation, status, whole if isinstance(answer, list) else whole[0])


def nulled(about: str, status: int, answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with null for whatever may be null."""
    is_list = isinstance(ANSWERS[about][1], list)
    for name in answer:
        tried = {**answer, name: None}
        if not wrong(about, status, [tried] if is_list else tried):
            answer = tried
    return answer


@pytest.mark.parametrize("name", CALLS)
def test_what_is_asked_is_described(name: str, server: Canned, gitlab: GitLab) -> None:
    server.answers = dict(ANSWERS)
    CALLS[name](gitlab)
    assert server.asked
    said = set()
    for asked, body in server.asked:
        method, _, where = asked.partition(" ")
        url = urlsplit(where)
        operation = found(f"{method} {url.path}")
        about = f"{method} {url.path.removeprefix(HERE).strip('/')}"
        said |= {
            f"{about}: {one}" for one in CONTRACT.wrong_request(operation, dict(parse_qsl(url.query)), body)
        }
    assert said <= GAPS


def test_every_gap_is_still_one(server: Canned, gitlab: GitLab) -> None:
    versions = CONTRACT.wrong_request(found(f"GET {MR}/versions"), {"per_page": "100"}, None)
    listed = CONTRACT.wrong_request(found(f"GET {HERE}/merge_requests"), {"state": "all"}, None)
    assert {f"GET merge_requests/3/versions: {one}" for one in versions} | {
        f"GET merge_requests: {one}" for one in listed
    } == GAPS


@pytest.mark.parametrize("about", ANSWERS)
def test_prepared_answers_are_described(about: str) -> None:
    status, answer = ANSWERS[about]
    assert wrong(about, status, answer) == []
    if found(about).description["responses"][str(status)]:
        names = CONTRACT.fields(found(about), status)
        assert {name for one in each(answer) for name in one} <= names


def test_only_the_time_of_an_approval_is_described_by_gitlab_alone() -> None:
    # GitLab's own OpenAPI description has it, of API_Entities_Approvals.
    given = CONTRACT.resolved({"$ref": "#/components/schemas/ApprovedByEntity"})["properties"]
    assert {name for one in GIVEN["approved_by"] for name in one} - set(given) == {"approved_at"}


@pytest.mark.parametrize("name", CALLS)
def test_whatever_may_be_null_may_be_null(name: str, server: Canned, gitlab: GitLab) -> None:
    for about, (status, answer) in ANSWERS.items():
        less = [nulled(about, status, one) for one in each(answer)]
        server.answers[about] = (status, less if isinstance(answer, list) else less[0])
    assert server.answers[f"GET {HERE}/merge_requests"][1][0]["description"] is None
    CALLS[name](gitlab)


@pytest.mark.parametrize(
    ("asked", "query", "body", "said"),
    [
        (f"PUT {MR}", {}, {"text": "t"}, "no field text"),
        (f"PUT {MR}", {}, {"title": 5}, "['title']: 5 is not of type 'string'"),
        (f"PUT {MR}/merge", {"sha": HEAD}, {}, "no parameter sha"),
        (
            f"POST {HERE}/merge_requests",
            {},
            {"title": "t", "target_branch": "main"},
            "[]: 'source_branch' is a required property",
        ),
        (f"GET {HERE}/merge_requests", {"sorted": "desc"}, None, "no parameter sorted"),
    ],
)
def test_what_is_not_described_is_found(asked: str, query: dict[str, str], body: Any, said: str) -> None:
    assert CONTRACT.wrong_request(found(asked), query, body) == [said]


def test_what_no_answer_has_is_found() -> None:
    about = f"GET {HERE}/merge_requests"
    assert CONTRACT.find("GET", f"{HERE}/merge_requests/3/reviews") is None
    assert wrong(about, 200, [{**ANSWER, "iid": "3"}]) == ["[0, 'iid']: '3' is not of type 'number'"]
    assert "merged_as" not in CONTRACT.fields(found(about), 200)
