# SPDX-License-Identifier: Apache-2.0
"""Pull requests of Pagure, plainly over HTTP. Experimental; tried on a real server.

Pagure knows no reviews: here a comment that says `Approved: COMMIT` is one, and `Approved: none` takes it
back. Comments cannot be rewritten, so news is a new one. It merges whatever the tip is, so that is looked at
just before.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from fleetsched.errors import ConflictError
from fleetsched.forge.pulls import MOST_PULLS, Comment, Pull, PullRequests, Review
from fleetsched.forge.rest import Rest
from fleetsched.forge.trouble import trouble
from fleetsched.model.controller import ForgeAccess
from fleetsched.model.proposal import State
from fleetsched.model.timestamp import rfc3339

_TIMEOUT_S = 300  # a merge waits for its worker, which on a busy machine took more than a minute
_API = "/api/0"
_PAGE = 100
_APPROVED = re.compile(r"Approved: ([0-9a-f]{40}|none)\b")
_STATES = {"Open": State.OPEN, "Merged": State.MERGED}


class Pagure(PullRequests):
    """The pull requests of one repository of a Pagure.

    Args:
        access: the controller's own settings; `url` such as `https://forge.example`, `repository` with its
            namespace.
        token: an API token of the project.
    """

    forge = "Pagure"
    most_body = 65_536
    ref = "refs/pull/{number}/head"

    def __init__(self, access: ForgeAccess, token: str) -> None:
        self._rest = Rest(self.forge, access, token, example="https://forge.example", timeout_s=_TIMEOUT_S)
        self._name = access.repository
        self._user = ""

    def _ask(self, doing: str, path: str, form: dict[str, str] | None = None) -> Any:
        answer = self._rest.send(doing, "GET" if form is None else "POST", _API + path, data=form)
        try:
            said = answer.json()
        except ValueError:
            said = {}
        if not answer.ok or not isinstance(said, dict):
            words = str(said.get("error", "")) if isinstance(said, dict) else ""
            raise trouble(self.forge, self._name, doing, answer.status_code, words, answer.headers)
        return said

    def _of(self, pull: Pull, doing: str, path: str = "", form: dict[str, str] | None = None) -> Any:
        return self._ask(doing, f"/{self._name}/pull-request/{pull.number}{path}", form)

    def newest(self) -> list[Pull]:
        """See `PullRequests`."""
        pulls: list[Pull] = []
        for page in range(1, MOST_PULLS // _PAGE + 1):
            query = f"?status=all&per_page={_PAGE}&page={page}"
            listed = self._ask("list pull requests", f"/{self._name}/pull-requests{query}")["requests"]
            pulls += [self._pull(each) for each in listed]
            if len(listed) < _PAGE:
                break
        return sorted(pulls, key=lambda each: each.number, reverse=True)

    def _pull(self, pull: Any) -> Pull:
        state = _STATES.get(pull["status"], State.CLOSED)
        source = pull["repo_from"]
        return Pull(
            number=pull["id"],
            branch=pull["branch_from"] or "",
            foreign=source is None or source["fullname"] != pull["project"]["fullname"],
            base=pull["branch"],
            head=pull["commit_stop"] or "",
            title=pull["title"],
            body=pull["initial_comment"] or "",
            author=pull["user"]["name"],
            state=state,
            opened_at=_time(pull["date_created"]),
            updated_at=_time(pull["last_updated"]),
        )

    def create(self, branch: str, base: str, title: str, body: str) -> Pull:
        """See `PullRequests`. Pagure's tags of pull requests are set by people; there is no label."""
        said = {"title": title, "branch_to": base, "branch_from": branch, "initial_comment": body}
        return self._pull(self._ask("open a pull request", f"/{self._name}/pull-request/new", said))

    def edit(self, pull: Pull, title: str, body: str) -> None:
        """See `PullRequests`."""
        self._of(pull, "rewrite a pull request", form={"title": title, "initial_comment": body})

    def reviews(self, pull: Pull) -> list[Review]:
        """See `PullRequests`."""
        last: dict[str, Review] = {}
        for each in self._of(pull, "list comments")["comments"]:
            found = _APPROVED.match(each["comment"])
            by = each["user"]["name"]
            if found:
                last.pop(by, None)
                if found[1] != "none":
                    rest = each["comment"].partition("\n\n")[2]
                    last[by] = Review(by, found[1], _time(each["date_created"]), True, rest)
        return list(last.values())

    def approve(self, pull: Pull, text: str) -> None:
        """See `PullRequests`."""
        self._of(pull, "approve a pull request", "/comment", {"comment": f"Approved: {pull.head}\n\n{text}"})

    def merge(self, pull: Pull, title: str, message: str) -> str:
        """See `PullRequests`. Pagure gives no commit; whoever fetches the branch sees it."""
        now = self._pull(self._of(pull, "look at a pull request"))
        if now.head != pull.head:
            raise ConflictError(
                f"Pagure, {self._name}: pull request {pull.number} has another tip, {now.head[:12]}",
                remedy="look at it, then run it again",
            )
        self._of(pull, "merge a pull request", "/merge", {"wait": "1"})
        return ""

    def close(self, pull: Pull) -> None:
        """See `PullRequests`."""
        self._of(pull, "close a pull request", "/close", {})

    def comments(self, pull: Pull) -> list[Comment]:
        """See `PullRequests`."""
        listed = self._of(pull, "list comments")["comments"]
        return [Comment(each["id"], each["user"]["name"], each["comment"]) for each in listed]

    def comment(self, pull: Pull, text: str, instead: Comment | None) -> None:
        """See `PullRequests`."""
        self._of(pull, "comment on a pull request", "/comment", {"comment": text})

    def check(self, commit: str, name: str, good: bool, title: str, text: str) -> None:
        """See `PullRequests`. A flag of the commit; the text is the comment's."""
        said = {
            "username": name,
            "comment": title,
            "status": "success" if good else "failure",
            "url": f"{self._rest.url}/{self._name}/c/{commit}",
            "uid": re.sub(r"[^a-z0-9]", "-", name.lower())[:20] + commit[:12],
        }
        self._ask("report a check", f"/{self._name}/c/{commit}/flag", said)

    def user(self) -> str:
        """See `PullRequests`."""
        if not self._user:
            self._user = str(self._ask("ask whose the token is", "/-/whoami", {})["username"])
        return self._user

    def is_member(self, team: str, user: str) -> bool:
        """See `PullRequests`. Groups have no organisation: what stands before the `/` is left out."""
        group = self._ask("ask who is in a group", f"/group/{team.rpartition('/')[2]}")
        return user in group["members"]


def _time(seconds: str) -> str:
    return rfc3339(datetime.fromtimestamp(float(seconds), UTC))
