# SPDX-License-Identifier: Apache-2.0
"""Pull requests of GitHub, and of GitHub Enterprise, through PyGithub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from fleetsched.forge.pulls import LABEL, MOST_PULLS, Comment, Pull, PullRequests, Review
from fleetsched.forge.trouble import no_library, trouble, unanswered
from fleetsched.model.controller import ForgeAccess
from fleetsched.model.proposal import State
from fleetsched.model.timestamp import rfc3339

if TYPE_CHECKING:
    from github.PullRequest import PullRequest
    from github.Repository import Repository

_TIMEOUT_S = 30
_PAGE = 100
_TRIES = 3  # where GitHub itself fails; a limit of requests may last an hour, and is told instead


class GitHub(PullRequests):
    """The pull requests of one repository of GitHub.

    Args:
        access: the controller's own settings.
        token: a personal access token, an app's, or a workflow's.
    """

    forge = "GitHub"
    most_body = 65_536
    ref = "refs/pull/{number}/head"

    def __init__(self, access: ForgeAccess, token: str) -> None:
        try:
            import github
            from urllib3 import Retry
        except ImportError as error:
            raise no_library(self.forge, "PyGithub") from error
        retry = Retry(
            _TRIES,
            status_forcelist=(500, 502, 503, 504),
            backoff_factor=0.2,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        # Its own pauses between requests are for programs that send thousands.
        self._client = github.Github(
            auth=github.Auth.Token(token),
            timeout=_TIMEOUT_S,
            per_page=_PAGE,
            retry=retry,
            seconds_between_requests=0,
            seconds_between_writes=0,
            lazy=True,
            base_url=access.url.rstrip("/") or github.Consts.DEFAULT_BASE_URL,
        )
        self._name = access.repository
        self._repository: Repository = self._client.get_repo(self._name)
        self._user: str | None = None

    @contextmanager
    def _asking(self, doing: str) -> Iterator[None]:
        """Tell what GitHub's answers mean."""
        from github import GithubException

        try:
            yield
        except GithubException as error:
            raise trouble(
                "GitHub", self._name, doing, error.status, _said(error), error.headers or {}
            ) from error
        except OSError as error:
            raise trouble("GitHub", self._name, doing, 0, unanswered(error), {}) from error

    def newest(self) -> list[Pull]:
        """See `PullRequests`."""
        with self._asking("list pull requests"):
            listing = self._repository.get_pulls(state="all", sort="created", direction="desc")
            return [self._pull(each) for each in islice(listing, MOST_PULLS)]

    def _pull(self, pull: PullRequest) -> Pull:
        merged = pull.merged_at is not None
        source = pull.head.repo  # none where a fork was deleted
        return Pull(
            number=pull.number,
            branch=pull.head.ref,
            foreign=source is None or source.full_name != pull.base.repo.full_name,
            base=pull.base.ref,
            head=pull.head.sha,
            title=pull.title,
            body=pull.body or "",
            author=pull.user.login if pull.user else "",
            state=State.MERGED if merged else State.OPEN if pull.state == "open" else State.CLOSED,
            opened_at=_time(pull.created_at),
            updated_at=_time(pull.updated_at),
            merged_as=(pull.merge_commit_sha or "") if merged else "",
        )

    def create(self, branch: str, base: str, title: str, body: str) -> Pull:
        """See `PullRequests`."""
        with self._asking("open a pull request"):
            pull = self._repository.create_pull(base, branch, title=title, body=body)
            # Not add_to_labels: PyGithub 2.10 sends a bare list, which GitHub's description no longer has.
            path = f"/repos/{self._name}/issues/{pull.number}/labels"
            self._client.requester.requestJsonAndCheck("POST", path, input={"labels": [LABEL]})
            return self._pull(pull)

    def edit(self, pull: Pull, title: str, body: str) -> None:
        """See `PullRequests`."""
        with self._asking("rewrite a pull request"):
            self._repository.get_pull(pull.number).edit(title=title, body=body)

    def reviews(self, pull: Pull) -> list[Review]:
        """See `PullRequests`. A comment takes no approval back; a dismissal does."""
        last: dict[str, Review | None] = {}
        with self._asking("list reviews"):
            for each in self._repository.get_pull(pull.number).get_reviews():
                if each.user is None or each.state not in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED"):
                    continue
                said = Review(
                    each.user.login,
                    each.commit_id or "",
                    _time(each.submitted_at),
                    each.state == "APPROVED",
                    each.body or "",
                )
                last[said.by] = None if each.state == "DISMISSED" else said
        return [review for review in last.values() if review is not None]

    def approve(self, pull: Pull, text: str) -> None:
        """See `PullRequests`."""
        with self._asking("approve a pull request"):
            repository = self._repository
            commit = repository.get_commit(pull.head)
            repository.get_pull(pull.number).create_review(commit, text, "APPROVE")

    def merge(self, pull: Pull, title: str, message: str) -> str:
        """See `PullRequests`."""
        with self._asking("merge a pull request"):
            found = self._repository.get_pull(pull.number)
            done = found.merge(message, title, merge_method="merge", sha=pull.head)
            return done.sha

    def close(self, pull: Pull) -> None:
        """See `PullRequests`."""
        with self._asking("close a pull request"):
            self._repository.get_pull(pull.number).edit(state="closed")

    def comments(self, pull: Pull) -> list[Comment]:
        """See `PullRequests`."""
        with self._asking("list comments"):
            listing = self._repository.get_issue(pull.number).get_comments()
            return [Comment(each.id, each.user.login if each.user else "", each.body) for each in listing]

    def comment(self, pull: Pull, text: str, instead: Comment | None) -> None:
        """See `PullRequests`."""
        with self._asking("comment on a pull request"):
            issue = self._repository.get_issue(pull.number)
            if instead is None:
                issue.create_comment(text)
            else:
                issue.get_comment(instead.number).edit(text)

    def check(self, commit: str, name: str, good: bool, title: str, text: str) -> None:
        """See `PullRequests`. Only apps and workflows may make check runs; others get a status."""
        from github import GithubException

        with self._asking("report a check"):
            repository = self._repository
            try:
                repository.create_check_run(
                    name,
                    commit,
                    status="completed",
                    conclusion="success" if good else "failure",
                    output={"title": title, "summary": text},
                )
            except GithubException as error:
                if error.status != 403:
                    raise
                state = "success" if good else "failure"
                repository.get_commit(commit).create_status(state, description=title[:140], context=name)

    def user(self) -> str:
        """See `PullRequests`. A workflow's token is nobody's: there GitHub's own bot writes."""
        from github import GithubException

        if self._user is None:
            with self._asking("ask whose the token is"):
                try:
                    self._user = self._client.get_user().login
                except GithubException as error:
                    if error.status != 403 or "integration" not in _said(error):
                        raise
                    self._user = ""
        return self._user

    def is_member(self, team: str, user: str) -> bool:
        """See `PullRequests`."""
        from github import UnknownObjectException

        organisation, _, slug = team.partition("/")
        with self._asking(f"ask who is in the team {organisation}/{slug}"):
            try:
                path = f"/orgs/{organisation}/teams/{slug}/memberships/{user}"
                _, answer = self._client.requester.requestJsonAndCheck("GET", path)
            except UnknownObjectException:
                return False
            return bool(answer.get("state") == "active")


def _time(when: datetime | None) -> str:
    return rfc3339(when) if when else ""


def _said(error: Any) -> str:
    """GitHub's own words: its message, and what it holds against each field."""
    data = error.data if isinstance(error.data, dict) else {}
    words = [str(data.get("message") or error.message or "")]
    for each in data.get("errors") or []:
        words.append(
            str(each.get("message") or each.get("code") or "") if isinstance(each, dict) else str(each)
        )
    return "; ".join(filter(None, words))
