# SPDX-License-Identifier: Apache-2.0
"""The endpoints: what each request does to the repository, and what of the answer is more than its least."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.github_emulator.repository import PullRequest, Refusal, Repository, User, invalid

Handler = Callable[["Api", User, dict[str, str], dict[str, str], Any], tuple[int, Any]]


class Api:
    """One repository's API.

    Args:
        repository: what it is about.
        base: URL that the answers' links begin with.
    """

    def __init__(self, repository: Repository, base: str) -> None:
        self.repository = repository
        self.base = base

    def answer(
        self, name: str, user: User, values: dict[str, str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        """Do what an operation asks; return status and the fields that are known of the answer.

        Raises:
            Refusal: it cannot be done.
        """
        full_name = f"{values.get('owner', '')}/{values.get('repo', '')}"
        if "repo" in values and full_name != self.repository.full_name:
            raise Refusal(404, "Not Found")
        if body is not None and not user.writes:
            raise Refusal(403, "Resource not accessible by personal access token")
        return _HANDLERS[name](self, user, values, query, body)

    def pull_of(self, number: str) -> PullRequest:
        """A pull request by its number."""
        pull = self.repository.pulls.get(int(number))
        if pull is None:
            raise Refusal(404, "Not Found")
        return pull

    def url(self, path: str) -> str:
        """An absolute URL of the repository's API."""
        return f"{self.base}/repos/{self.repository.full_name}{path}"

    def shown(self, pull: PullRequest) -> dict[str, Any]:
        """A pull request's fields."""
        name = {"full_name": self.repository.full_name}
        merged = bool(pull.merged_as)
        return {
            "number": pull.number,
            "id": pull.number,
            "url": self.url(f"/pulls/{pull.number}"),
            "issue_url": self.url(f"/issues/{pull.number}"),
            "state": pull.state,
            "title": pull.title,
            "body": pull.body,
            "user": {"login": pull.author} if pull.author else None,
            "labels": [_label(label) for label in pull.labels],
            "created_at": pull.at,
            "updated_at": pull.at,
            "closed_at": None if pull.state == "open" else pull.at,
            "merged_at": pull.at if merged else None,
            "merge_commit_sha": pull.merged_as or None,
            "head": {
                "ref": pull.branch,
                "sha": pull.head,
                "repo": {"full_name": pull.fork or name["full_name"]},
            },
            "base": {"ref": pull.base, "sha": self.repository.tip(pull.base), "repo": name},
        }


def _label(name: str) -> dict[str, Any]:
    fields = {"id": 1, "node_id": "x", "url": "https://forge.example/x", "color": "ededed", "default": False}
    return {**fields, "name": name, "description": ""}


def _list(api: Api, user: User, values: Any, query: dict[str, str], body: Any) -> tuple[int, Any]:
    wanted = query.get("state", "open")
    pulls = sorted(api.repository.pulls.values(), key=lambda each: each.number, reverse=True)
    return 200, [api.shown(pull) for pull in pulls if wanted in ("all", pull.state)]


def _create(api: Api, user: User, values: Any, query: Any, body: Any) -> tuple[int, Any]:
    pull = api.repository.open(user.login, body["head"], body["base"], body["title"], body.get("body", ""))
    return 201, api.shown(pull)


def _get(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    return 200, api.shown(api.pull_of(values["pull_number"]))


def _update(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    pull = api.pull_of(values["pull_number"])
    pull.title = body.get("title", pull.title)
    pull.body = body.get("body", pull.body)
    if body.get("state") == "closed" and pull.state == "open":
        pull.state = "closed"
    return 200, api.shown(pull)


def _reviews(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    return 200, [_review(each) for each in api.pull_of(values["pull_number"]).reviews]


def _review(review: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in review.items() if name != "by"}
    return fields | {"user": {"login": review["by"]}}


def _add_review(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    pull = api.pull_of(values["pull_number"])
    said = (body.get("commit_id", ""), body.get("event", "COMMENT"), body.get("body", ""))
    return 200, _review(api.repository.review(pull, user.login, *said))


def _merge(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    pull = api.pull_of(values["pull_number"])
    said = (body.get("sha", ""), body.get("commit_title", ""), body.get("commit_message", ""))
    sha = api.repository.merge(pull, *said)
    return 200, {"sha": sha, "merged": True, "message": "Pull Request successfully merged"}


def _issue(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    pull = api.pull_of(values["issue_number"])
    return 200, {"number": pull.number, "url": api.url(f"/issues/{pull.number}"), "title": pull.title}


def _add_labels(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    pull = api.pull_of(values["issue_number"])
    wanted = body if isinstance(body, list) else body["labels"]
    pull.labels += [label for label in wanted if label not in pull.labels]
    return 200, [_label(label) for label in pull.labels]


def _comments(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    return 200, [_comment(api, each) for each in api.pull_of(values["issue_number"]).comments]


def _comment(api: Api, comment: dict[str, Any]) -> dict[str, Any]:
    url = api.url(f"/issues/comments/{comment['id']}")
    return {"id": comment["id"], "body": comment["body"], "user": {"login": comment["by"]}, "url": url}


def _add_comment(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    comment = {"id": api.repository.id(), "by": user.login, "body": body["body"]}
    api.pull_of(values["issue_number"]).comments.append(comment)
    return 201, _comment(api, comment)


def _one_comment(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    number = int(values["comment_id"])
    for pull in api.repository.pulls.values():
        for comment in pull.comments:
            if comment["id"] == number:
                if body is not None:
                    comment["body"] = body["body"]
                return 200, _comment(api, comment)
    raise Refusal(404, "Not Found")


def _check(api: Api, user: User, values: Any, query: Any, body: Any) -> tuple[int, Any]:
    if not user.app:
        raise Refusal(403, "You must authenticate via a GitHub App.")
    api.repository.checks.append(body)
    return 201, {name: body[name] for name in ("name", "head_sha", "status", "conclusion")}


def _status(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    api.repository.statuses.append({**body, "sha": values["sha"]})
    return 201, {"state": body["state"], "context": body["context"]}


def _commit(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    status, sha = api.repository.git("rev-parse", "--verify", f"{values['ref']}^{{commit}}")
    if status != 0:
        raise invalid(f"No commit found for SHA: {values['ref']}", "sha")
    return 200, {"sha": sha, "url": api.url(f"/commits/{sha}")}


def _member(api: Api, user: User, values: dict[str, str], query: Any, body: Any) -> tuple[int, Any]:
    if values["username"] not in api.repository.teams.get(f"{values['org']}/{values['team_slug']}", set()):
        raise Refusal(404, "Not Found")
    return 200, {"state": "active", "role": "member"}


def _user(api: Api, user: User, values: Any, query: Any, body: Any) -> tuple[int, Any]:
    if user.app:
        raise Refusal(403, "Resource not accessible by integration")
    return 200, {"login": user.login, "user_view_type": "private"}


_HANDLERS: dict[str, Handler] = {
    "pulls/list": _list,
    "pulls/create": _create,
    "pulls/get": _get,
    "pulls/update": _update,
    "pulls/list-reviews": _reviews,
    "pulls/create-review": _add_review,
    "pulls/merge": _merge,
    "issues/get": _issue,
    "issues/add-labels": _add_labels,
    "issues/list-comments": _comments,
    "issues/create-comment": _add_comment,
    "issues/get-comment": _one_comment,
    "issues/update-comment": _one_comment,
    "checks/create": _check,
    "repos/create-commit-status": _status,
    "repos/get-commit": _commit,
    "teams/get-membership-for-user-in-org": _member,
    "users/get-authenticated": _user,
}
