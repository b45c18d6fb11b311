# SPDX-License-Identifier: Apache-2.0
"""Merge requests of GitLab, through python-gitlab. Experimental: tried on described answers, on no server.

GitLab does not say of which commit an approval is. It counts here for the commit that was the newest when it
was given, so an approval of before a push never counts for what was pushed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from fleetsched.errors import RefusedError
from fleetsched.forge.pulls import LABEL, MOST_PULLS, Comment, Pull, PullRequests, Review
from fleetsched.forge.trouble import no_library, trouble, unanswered
from fleetsched.model.controller import ForgeAccess
from fleetsched.model.proposal import State
from fleetsched.model.timestamp import rfc3339

if TYPE_CHECKING:
    from requests import Response

_TIMEOUT_S = 30
_PAGE = 100  # the most that GitLab gives
_STATES = {"opened": State.OPEN, "locked": State.OPEN, "merged": State.MERGED}
_DRAFT = re.compile(r"\s*(draft:|\[draft\]|\(draft\))", re.IGNORECASE)  # a title that makes a draft


class _LimitedError(Exception):
    """Too many requests.

    Attributes:
        headers: of the answer; they say until when.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers


class GitLab(PullRequests):
    """The merge requests of one project of GitLab.

    Args:
        access: the controller's own settings; `url` such as `https://forge.example`, or with the folder that
            GitLab is in, without `/api/v4`.
        token: a project's or a user's access token.
    """

    forge = "GitLab"
    most_body = 200_000  # a fifth of its limit, which counts bytes
    ref = "refs/merge-requests/{number}/head"

    def __init__(self, access: ForgeAccess, token: str) -> None:
        try:
            import gitlab
            from requests import Session
        except ImportError as error:
            raise no_library(self.forge, "python-gitlab") from error
        session = Session()
        session.hooks["response"].append(_not_too_many)
        # The next page's URL is GitLab's word, and may name another host or scheme: the token stays here.
        self._client = gitlab.Gitlab(
            access.url or None,
            private_token=token,
            timeout=_TIMEOUT_S,
            session=session,
            keep_base_url=True,
        )
        self._name = access.repository
        self._project = self._client.projects.get(self._name, lazy=True)
        self._user = ""

    @contextmanager
    def _asking(self, doing: str, unauthorized: int = 401) -> Iterator[None]:
        """Tell what GitLab's answers mean; a 401 means what another status does elsewhere."""
        from gitlab.exceptions import GitlabError

        try:
            yield
        except GitlabError as error:
            status = unauthorized if error.response_code == 401 else error.response_code or 0
            raise trouble("GitLab", self._name, doing, status, str(error.error_message), {}) from error
        except _LimitedError as error:
            raise trouble("GitLab", self._name, doing, 429, "", error.headers) from error
        except OSError as error:
            raise trouble("GitLab", self._name, doing, 0, unanswered(error), {}) from error

    def newest(self) -> list[Pull]:
        """See `PullRequests`."""
        with self._asking("list merge requests"):
            listing = self._project.mergerequests.list(
                state="all", order_by="created_at", sort="desc", iterator=True, per_page=_PAGE
            )
            return [_pull(each.attributes) for each in islice(listing, MOST_PULLS)]

    def _of(self, pull: Pull) -> Any:
        return self._project.mergerequests.get(pull.number, lazy=True)

    def create(self, branch: str, base: str, title: str, body: str) -> Pull:
        """See `PullRequests`."""
        said = {
            "source_branch": branch,
            "target_branch": base,
            "title": title,
            "description": body,
            "labels": LABEL,
            "squash": False,
        }
        with self._asking("open a merge request"):
            return _pull(self._project.mergerequests.create(said).attributes)

    def edit(self, pull: Pull, title: str, body: str) -> None:
        """See `PullRequests`. GitLab keeps in the title that it is a draft, which only people change."""
        draft = _DRAFT.match(pull.title)
        if draft and not _DRAFT.match(title):
            title = f"{draft[0]} {title}"
        with self._asking("rewrite a merge request"):
            self._project.mergerequests.update(pull.number, {"title": title, "description": body})

    def reviews(self, pull: Pull) -> list[Review]:
        """See `PullRequests`. Only approvals: not every edition lets people ask for changes."""
        with self._asking("list approvals"):
            given = self._approvals(pull)
            versions = [each.attributes for each in self._of(pull).diffs.list(get_all=True, per_page=_PAGE)]
        return [
            Review(
                each["user"]["username"],
                _newest_at(versions, each.get("approved_at") or ""),
                _time(each.get("approved_at") or ""),
                approves=True,
            )
            for each in given
        ]

    def _approvals(self, pull: Pull) -> list[dict[str, Any]]:
        return list(self._of(pull).approvals.get().attributes["approved_by"])

    def approve(self, pull: Pull, text: str) -> None:
        """See `PullRequests`. One of an earlier commit is taken back first: nobody may approve twice."""
        user = self.user()
        # GitLab answers 401 also to a good token whose user may not approve.
        with self._asking("approve a merge request", unauthorized=403):
            if any(each["user"]["username"] == user for each in self._approvals(pull)):
                self._of(pull).unapprove()
            self._of(pull).approve(sha=pull.head)

    def merge(self, pull: Pull, title: str, message: str) -> str:
        """See `PullRequests`. Only where the project makes a merge commit of the tip itself."""
        with self._asking("look at how the project merges"):
            project = self._client.projects.get(self._name).attributes
        if project.get("merge_method") == "ff" or project.get("squash_option") == "always":
            raise RefusedError(
                f"GitLab, {self._name}: the project does not merge by a merge commit of what was approved",
                remedy="set its merge method to a merge commit, and let it not require squashing",
            )
        said = {"sha": pull.head, "squash": False, "merge_commit_message": f"{title}\n\n{message}"}
        path = f"/projects/{self._project.encoded_id}/merge_requests/{pull.number}/merge"
        # GitLab answers 401 also to a good token whose user may not merge.
        with self._asking("merge a merge request", unauthorized=403):
            merged = self._client.http_put(path, post_data=said)
        return str(merged["merge_commit_sha"] or "") if isinstance(merged, dict) else ""

    def close(self, pull: Pull) -> None:
        """See `PullRequests`."""
        with self._asking("close a merge request"):
            self._project.mergerequests.update(pull.number, {"state_event": "close"})

    def comments(self, pull: Pull) -> list[Comment]:
        """See `PullRequests`."""
        with self._asking("list comments"):
            listed = self._of(pull).notes.list(
                sort="asc", order_by="created_at", get_all=True, per_page=_PAGE
            )
            notes = [each.attributes for each in listed]
        return [Comment(each["id"], each["author"]["username"], each["body"]) for each in notes]

    def comment(self, pull: Pull, text: str, instead: Comment | None) -> None:
        """See `PullRequests`."""
        with self._asking("comment on a merge request"):
            if instead is None:
                self._of(pull).notes.create({"body": text})
            else:
                self._of(pull).notes.update(instead.number, {"body": text})

    def check(self, commit: str, name: str, good: bool, title: str, text: str) -> None:
        """See `PullRequests`. There are no check runs: the text is the comment's."""
        state = "success" if good else "failed"
        with self._asking("report a check"):
            found = self._project.commits.get(commit, lazy=True)
            found.statuses.create({"state": state, "name": name, "description": title[:140]})

    def user(self) -> str:
        """See `PullRequests`."""
        if not self._user:
            with self._asking("ask whose the token is"):
                self._client.auth()
                self._user = str(self._client.user.username) if self._client.user else ""
        return self._user

    def is_member(self, team: str, user: str) -> bool:
        """See `PullRequests`. A team is a group."""
        with self._asking(f"list who is in the group {team}"):
            group = self._client.groups.get(team, lazy=True)
            members = group.members_all.list(query=user, iterator=True, per_page=_PAGE)
            return any(each.username == user for each in members)


def _not_too_many(answer: Response, **_: Any) -> None:
    """Look at each answer before python-gitlab does, which would wait, and forgets headers."""
    if answer.status_code == 429:
        answer.close()
        raise _LimitedError(answer.headers)


def _pull(fields: dict[str, Any]) -> Pull:
    return Pull(
        number=fields["iid"],
        branch=fields["source_branch"],
        foreign=fields["source_project_id"] != fields["target_project_id"],
        base=fields["target_branch"],
        head=fields["sha"] or "",
        title=fields["title"],
        body=fields["description"] or "",
        author=fields["author"]["username"],
        state=_STATES.get(fields["state"], State.CLOSED),
        opened_at=_time(fields["created_at"]),
        updated_at=_time(fields["updated_at"]),
        merged_as=_merged_as(fields) if fields["state"] == "merged" else "",
    )


def _merged_as(fields: dict[str, Any]) -> str:
    """The commit that a merged merge request became: on its page, people may merge in other ways."""
    return str(fields["merge_commit_sha"] or fields["squash_commit_sha"] or fields["sha"] or "")


def _newest_at(versions: list[dict[str, Any]], when: str) -> str:
    """The commit that was a merge request's tip at a time; empty = none was, or it is not known."""
    before = [each for each in versions if when and _time(each["created_at"]) < _time(when)]
    newest = max(before, key=lambda each: _time(each["created_at"]), default=None)
    return str(newest["head_commit_sha"]) if newest else ""


def _time(text: str) -> str:
    return rfc3339(datetime.fromisoformat(text)) if text else ""
