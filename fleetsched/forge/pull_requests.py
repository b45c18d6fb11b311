# SPDX-License-Identifier: Apache-2.0
"""Proposals as pull requests, the same on every forge that has them.

The branch names the proposal, so doing it again updates: a branch is pushed with Git under a lease on its old
tip, then its pull request is opened or rewritten. Whoever is killed in between has left a branch that says of
itself that fleetsched made it, and the next run goes on from there.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from fleetsched.documents.node import shown
from fleetsched.errors import FleetschedError, RefusedError
from fleetsched.fleetrepo.branches import Branches, Update
from fleetsched.forge.comments import ROOM, tell
from fleetsched.forge.interface import Change, Forge, Judged, Listing
from fleetsched.forge.own_commits import OwnCommits
from fleetsched.forge.owners import Owners
from fleetsched.forge.pulls import MOST_PULLS, Pull, PullRequests, Review
from fleetsched.forge.record import Record, read_record, same_body, with_record
from fleetsched.forge.refusals import check_open, peoples_branch
from fleetsched.model.proposal import BRANCHES, GOAL_NAME, Approval, Proposal, State
from fleetsched.secrets import redact
from fleetsched.views.markdown import plain, shortened
from fleetsched.views.pull_request import body_markdown, title_text

_SEEN_BRANCHES, _SEEN_PULLS = "refs/fleetsched/seen/branches/", "refs/fleetsched/seen/pulls/"
_RUNS = "Its goal's hosts would run: "
_MOST_TITLE = 200
_OWNERS_OF_OTHERS_WORK = 2
_OTHERS_WORK = (
    "its branch is not as fleetsched made it, and whoever pushed to it may be one who approves: two owners"
    " have to, or the change comes as a pull request of whoever made it"
)


class PullRequestForge(Forge):
    """Proposals as pull requests into the trusted branch.

    Args:
        branches: the repository and its remote, which must be the forge's.
        pulls: its pull requests.
    """

    def __init__(self, branches: Branches, pulls: PullRequests) -> None:
        self._branches = branches
        self._api = pulls
        self._own = OwnCommits(branches)
        self._owners = Owners(branches, pulls)
        self._tip = ""
        self._pulls: dict[str, Pull] = {}
        self._heads: dict[str, str] = {}

    def proposals(self) -> Listing:
        """See `Forge`. A goal's newest pull request is its proposal; a fork's is none."""
        self._tip = self._branches.trusted_tip()
        self._branches.fetch((f"+refs/heads/{BRANCHES}*:{_SEEN_BRANCHES}*",))
        self._heads = self._branches.refs(_SEEN_BRANCHES)
        self._pulls, ignored, proposals = {}, [], []
        newest = self._api.newest()
        for pull in newest:
            goal = pull.branch.removeprefix(BRANCHES)
            if goal == pull.branch or goal in self._pulls:
                continue
            wrong = self._objection(pull, goal)
            if wrong:
                ignored.append(f"pull request {pull.number} ({shown(pull.branch)}) {wrong}")
                continue
            self._pulls[goal] = pull
            proposals.append(self._proposal(goal, pull))
        if len(newest) >= MOST_PULLS:
            ignored.append(f"pull requests older than the newest {MOST_PULLS:,} were not looked at")
        return Listing(tuple(sorted(proposals, key=lambda each: each.goal)), self._tip, tuple(ignored))

    def _objection(self, pull: Pull, goal: str) -> str:
        if pull.foreign:
            return "comes from another repository: it is no proposal"
        if not GOAL_NAME.fullmatch(goal):
            return "has not the name of a goal"
        if pull.base != self._branches.trust.branch:
            return f"is not for the trusted branch {self._branches.trust.branch}"
        return "" if read_record(pull.body) else "has no record of fleetsched in its body"

    def _proposal(self, goal: str, pull: Pull) -> Proposal:
        record = read_record(pull.body)
        assert record, "the listing has looked"
        is_open = pull.state is State.OPEN
        proposal = Proposal(
            goal=goal,
            policy=record.policy,
            state=pull.state,
            base=record.base,
            made=record.made,
            head=self._heads.get(goal, pull.head) if is_open else pull.head,
            author=pull.author,
            title=plain(pull.title, _MOST_TITLE),
            why=f"{self._api.forge} pull request {pull.number}",
            fingerprint=record.fingerprint,
            opened_at=pull.opened_at,
            updated_at=pull.updated_at,
            merged_as=pull.merged_as,
        )
        return replace(proposal, approvals=self._approvals(pull, proposal)) if is_open else proposal

    def _approvals(self, pull: Pull, proposal: Proposal) -> tuple[Approval, ...]:
        """Those of code owners, once they cover every changed file; none before, nor while one objects."""
        reviews = self._others_reviews(pull)
        if self._missing(pull, proposal.head, reviews):
            return ()
        return tuple(
            Approval(review.by, review.commit, review.at, _runs_in(review.text))
            for review in reviews
            if review.approves and review.commit == proposal.head
        )

    def _others_reviews(self, pull: Pull) -> list[Review]:
        return [each for each in self._api.reviews(pull) if each.by != pull.author]

    def _missing(self, pull: Pull, head: str, reviews: list[Review]) -> list[str]:
        """What keeps a commit from being approved. Forges do not say who pushed it, and commits may lie.

        So whoever pushed may be among those who approve: of two who do, one is somebody else.
        """
        if self._is_as_made(pull, head):
            return self._owners.missing(self._tip, head, reviews)
        missing = self._owners.missing(self._tip, head, reviews, owners_a_file=_OWNERS_OF_OTHERS_WORK)
        return [_OTHERS_WORK, *missing] if missing else []

    def _is_as_made(self, pull: Pull, head: str) -> bool:
        """Whether merging a commit makes what merging fleetsched's own does: main may be merged into it."""
        record = read_record(pull.body)
        if record is None or not self._own.made(record.made):
            return False
        if head == record.made:
            return True
        try:
            return self._branches.merged(self._tip, head) == self._branches.merged(self._tip, record.made)
        except FleetschedError:
            return False

    def open(self, change: Change, before: Proposal | None) -> Proposal:
        """See `Forge`."""
        branch, there = BRANCHES + change.goal, self._heads.get(change.goal, "")
        if there and not self._own.made(there):
            raise peoples_branch(change.goal)
        title = title_text(change.title)
        commit = self._own.make(change, f"{title}\n\n{redact(change.why)}", there)
        if commit != there:
            self._branches.push(Update(f"refs/heads/{branch}", there, commit))
        self._heads[change.goal] = commit
        body = self._body(change, commit)
        pull = self._pulls.get(change.goal)
        if pull is None or pull.state is not State.OPEN:
            pull = self._api.create(branch, self._branches.trust.branch, title, body)
        elif pull.title != title or not same_body(pull.body, body):
            self._api.edit(pull, title, body)
        # A forge may not have seen the push yet: what was pushed counts.
        self._pulls[change.goal] = replace(pull, title=title, body=body, head=commit)
        return self._proposal(change.goal, self._pulls[change.goal])

    def _body(self, change: Change, commit: str) -> str:
        # Secrets go before anything is cut: half a secret would not be found.
        briefing = replace(change.briefing, explanation=redact(change.briefing.explanation))
        text = body_markdown(
            change.goal,
            change.policy,
            change.title,
            redact(change.why),
            change.fingerprint,
            briefing,
            self._api.most_body - ROOM,
        )
        return with_record(text, Record(change.policy, change.base, commit, change.fingerprint))

    def is_mergeable(self, proposal: Proposal) -> bool:
        """See `Forge`."""
        return self._branches.merges(self._tip, proposal.head)

    def approve(self, proposal: Proposal, runs: str) -> Proposal:
        """See `Forge`. It is a review by whose the token is, who cannot be the author."""
        pull = self._must_be_open(proposal)
        user = self._api.user()
        if user == pull.author:
            raise RefusedError(
                f"proposal {proposal.goal}: {user} opened it, and cannot approve it",
                remedy="a code owner reviews it, on its page or with a token of their own",
            )
        if user not in {each.by for each in proposal.valid_approvals}:
            self._api.approve(replace(pull, head=proposal.head), f"{_RUNS}`{runs}`")
        approvals = self._approvals(pull, proposal)
        if not any(each.by == user for each in approvals):
            raise RefusedError(
                f"proposal {proposal.goal}: {self._api.forge} has your review, and it does not suffice: "
                + "; ".join(self._missing(pull, proposal.head, self._others_reviews(pull)))[:500],
                remedy=f"the code owners of those files approve it, too: pull request {pull.number}",
            )
        return replace(proposal, approvals=approvals)

    def merge(self, proposal: Proposal) -> Proposal:
        """See `Forge`. Where signers are asked for, Git merges and signs; else the forge does."""
        if proposal.state is State.MERGED:
            return proposal
        pull = self._must_be_open(proposal)
        # So that a conflict is told as one, and not as a missing approval.
        self._branches.merged(self._tip, proposal.head)
        missing = self._missing(pull, proposal.head, self._others_reviews(pull))
        if missing:
            raise RefusedError(
                f"proposal {proposal.goal}: {proposal.head[:12]} is not approved: {'; '.join(missing)[:500]}",
                remedy=f"have pull request {pull.number} reviewed by them",
            )
        title = f"Merge the proposal for goal {proposal.goal}"
        message = f"{title_text(proposal.title)}\n\n" + "".join(
            f"Approved-by: {plain(each.by, 100)}\n" for each in proposal.valid_approvals
        )
        if self._branches.trust.allowed_signers:
            commit = self._branches.merge(self._tip, proposal.head, f"{title}\n\n{message}")
            self._branches.push(Update(f"refs/heads/{self._branches.trust.branch}", self._tip, commit))
        else:
            commit = self._api.merge(replace(pull, head=proposal.head), title, message)
        self._remove_branch(proposal)
        return replace(proposal, state=State.MERGED, merged_as=commit)

    def close(self, proposal: Proposal, reason: str) -> Proposal:
        """See `Forge`."""
        if proposal.state is not State.OPEN:
            return proposal
        pull = self._pulls[proposal.goal]
        if reason:
            tell(self._api, pull, "closed", f"Closed: {plain(redact(reason), 1000)}")
        self._api.close(pull)
        self._remove_branch(proposal)
        return replace(proposal, state=State.CLOSED, reason=reason)

    def report(self, proposal: Proposal, text: str) -> Proposal:
        """See `Forge`. It is one comment, rewritten each time."""
        tell(self._api, self._pulls[proposal.goal], "hosts", text)
        return proposal

    def judge(self, judged: Judged) -> str:
        """See `Forge`. The comment goes to the open pull request whose tip it is."""
        good = judged.good
        text = shortened(judged.text, self._api.most_body - ROOM)
        self._api.check(judged.commit, judged.name, good, judged.title, text)
        for pull in self._api.newest():
            if pull.head == judged.commit and pull.state is State.OPEN:
                tell(self._api, pull, judged.name, judged.text)
                return f"{self._api.forge} pull request {pull.number}"
        return f"{self._api.forge} commit {judged.commit[:12]}"

    def diff(self, proposal: Proposal) -> str:
        """See `Forge`."""
        number = self._pulls[proposal.goal].number
        seen = f"{_SEEN_PULLS}{number}"
        self._branches.fetch((f"+{self._api.ref.format(number=number)}:{seen}",))
        start = proposal.base if proposal.state is State.MERGED else self._tip
        return self._branches.difference(start, proposal.head)

    def _must_be_open(self, proposal: Proposal) -> Pull:
        check_open(proposal, self._heads)
        return self._pulls[proposal.goal]

    def _remove_branch(self, proposal: Proposal) -> None:
        """Tidy up: the forge may have done it already, and keeps the commits under a ref of its own."""
        tip = self._heads.pop(proposal.goal, "")
        if tip:
            with suppress(FleetschedError):
                self._branches.push(Update(f"refs/heads/{proposal.branch}", tip, ""))


def _runs_in(review: str) -> str:
    """What a review says that hosts would run; empty where somebody reviewed on the forge's page."""
    if not review.startswith(_RUNS):
        return ""
    return plain(review.removeprefix(_RUNS).split("\n")[0].strip("` "), 200)
