# SPDX-License-Identifier: Apache-2.0
"""Pull requests of Forgejo, and of Gitea. Experimental: tried against its published schema, not on a server.

Plain requests instead of the client library pyforgejo, which on import loads a `.env` file around its own
folder into the environment of this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleetsched.forge.pulls import LABEL, MOST_PULLS, Comment, Pull, PullRequests, Review
from fleetsched.forge.rest import Rest
from fleetsched.forge.trouble import trouble
from fleetsched.model.controller import ForgeAccess
from fleetsched.model.proposal import State

_TIMEOUT_S = 30
_PAGE = 50  # the most that a server gives unless its administrator changed that
_COLOUR = "#1d76db"


class Forgejo(PullRequests):
    """The pull requests of one repository of a Forgejo.

    Args:
        access: the controller's own settings; `url` such as `https://forge.example/api/v1`.
        token: an access token of a user.
    """

    forge = "Forgejo"
    most_body = 65_536
    ref = "refs/pull/{number}/head"

    def __init__(self, access: ForgeAccess, token: str) -> None:
        self._rest = Rest(
            self.forge, access, token, example="https://forge.example/api/v1", timeout_s=_TIMEOUT_S
        )
        self._name = access.repository
        self._home = f"/repos/{self._name}"
        self._user = ""

    def _ask(self, doing: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._answer(doing, method, path, body)[0]

    def _answer(
        self, doing: str, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[Any, Mapping[str, str]]:
        """What the forge says, and the headers of that."""
        answer = self._rest.send(doing, method, path, json=body)
        if not answer.ok:
            raise trouble(
                self.forge, self._name, doing, answer.status_code, _said(answer.text), answer.headers
            )
        try:
            return (answer.json() if answer.content else None), answer.headers
        except ValueError as error:
            raise trouble(self.forge, self._name, doing, 0, "its answer is not JSON", {}) from error

    def _here(self, doing: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._ask(doing, method, self._home + path, body)

    def _all(self, doing: str, path: str) -> Iterator[Any]:
        """All of a list, page by page; a page may be smaller than was asked for."""
        mark = "&" if "?" in path else "?"
        seen = 0
        for page in range(1, MOST_PULLS + 1):
            listed, headers = self._answer(doing, "GET", f"{path}{mark}page={page}&limit={_PAGE}")
            yield from listed
            seen += len(listed)
            total = headers.get("X-Total-Count", "")
            is_last = seen >= int(total) if total.isdecimal() else len(listed) < _PAGE
            if is_last or not listed or seen >= MOST_PULLS:
                return

    def newest(self) -> list[Pull]:
        """See `PullRequests`."""
        # Without `sort` the newest come first; the order has no published name.
        listed = self._all("list pull requests", f"{self._home}/pulls?state=all")
        return sorted(map(self._pull, listed), key=lambda pull: pull.number, reverse=True)

    def _pull(self, pull: Any) -> Pull:
        head, base = pull["head"], pull["base"]
        closed = State.MERGED if pull["merged"] else State.CLOSED
        return Pull(
            number=pull["number"],
            branch=head["ref"],
            foreign=head["repo_id"] != base["repo_id"],
            base=base["ref"],
            head=head["sha"],
            title=pull["title"],
            body=pull["body"] or "",
            author=_login(pull["user"]),
            state=State.OPEN if pull["state"] == "open" else closed,
            opened_at=pull["created_at"],
            updated_at=pull["updated_at"],
            merged_as=pull["merge_commit_sha"] or "" if pull["merged"] else "",
        )

    def create(self, branch: str, base: str, title: str, body: str) -> Pull:
        """See `PullRequests`."""
        said = {"head": branch, "base": base, "title": title, "body": body, "labels": [self._label()]}
        return self._pull(self._here("open a pull request", "POST", "/pulls", said))

    def _label(self) -> int:
        for label in self._all("list labels", f"{self._home}/labels"):
            if label["name"] == LABEL:
                return int(label["id"])
        said = {"name": LABEL, "color": _COLOUR}
        return int(self._here("make a label", "POST", "/labels", said)["id"])

    def edit(self, pull: Pull, title: str, body: str) -> None:
        """See `PullRequests`."""
        said = {"title": title, "body": body}
        self._here("rewrite a pull request", "PATCH", f"/pulls/{pull.number}", said)

    def reviews(self, pull: Pull) -> list[Review]:
        """See `PullRequests`."""
        last: dict[str, Review] = {}
        for each in self._all("list reviews", f"{self._home}/pulls/{pull.number}/reviews"):
            if each["state"] not in ("APPROVED", "REQUEST_CHANGES") or not each["user"]:
                continue
            by = each["user"]["login"]
            last.pop(by, None)
            if not each["dismissed"]:
                approves = each["state"] == "APPROVED"
                last[by] = Review(by, each["commit_id"], each["submitted_at"], approves, each["body"] or "")
        return list(last.values())

    def approve(self, pull: Pull, text: str) -> None:
        """See `PullRequests`."""
        said = {"event": "APPROVED", "body": text, "commit_id": pull.head}
        self._here("approve a pull request", "POST", f"/pulls/{pull.number}/reviews", said)

    def merge(self, pull: Pull, title: str, message: str) -> str:
        """See `PullRequests`."""
        said = {
            "Do": "merge",
            "head_commit_id": pull.head,
            "MergeTitleField": title,
            "MergeMessageField": message,
        }
        self._here("merge a pull request", "POST", f"/pulls/{pull.number}/merge", said)
        merged = self._here("look at what was merged", "GET", f"/pulls/{pull.number}")
        return str(merged["merge_commit_sha"] or "")

    def close(self, pull: Pull) -> None:
        """See `PullRequests`."""
        self._here("close a pull request", "PATCH", f"/pulls/{pull.number}", {"state": "closed"})

    def comments(self, pull: Pull) -> list[Comment]:
        """See `PullRequests`."""
        listed = self._here("list comments", "GET", f"/issues/{pull.number}/comments")
        return [Comment(each["id"], _login(each["user"]), each["body"]) for each in listed]

    def comment(self, pull: Pull, text: str, instead: Comment | None) -> None:
        """See `PullRequests`."""
        method, path = ("POST", f"/issues/{pull.number}/comments")
        if instead is not None:
            method, path = ("PATCH", f"/issues/comments/{instead.number}")
        self._here("comment on a pull request", method, path, {"body": text})

    def check(self, commit: str, name: str, good: bool, title: str, text: str) -> None:
        """See `PullRequests`. There are no check runs: the text is the comment's."""
        state = "success" if good else "failure"
        said = {"context": name, "state": state, "description": title[:140]}
        self._here("report a check", "POST", f"/statuses/{commit}", said)

    def user(self) -> str:
        """See `PullRequests`."""
        if not self._user:
            self._user = str(self._ask("ask whose the token is", "GET", "/user")["login"])
        return self._user

    def is_member(self, team: str, user: str) -> bool:
        """See `PullRequests`."""
        organisation, _, name = team.partition("/")
        teams = self._all("list teams", f"/orgs/{organisation}/teams")
        number = next((each["id"] for each in teams if each["name"].lower() == name.lower()), None)
        if number is None:
            return False
        members = self._all("list who is in a team", f"/teams/{number}/members")
        return any(each["login"] == user for each in members)


def _login(user: Any) -> str:
    """The name that somebody logs in with; empty = their account is gone."""
    return str(user["login"]) if user else ""


def _said(text: str) -> str:
    """The forge's own words."""
    import json

    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
