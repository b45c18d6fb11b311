# SPDX-License-Identifier: Apache-2.0
"""The life of a proposal on GitHub: PyGithub and Git against the emulator, judged by GitHub's own OpenAPI."""

from __future__ import annotations

import pytest

from fleetsched.errors import ConflictError, FleetschedError, RefusedError
from fleetsched.forge.interface import Change, Judged
from fleetsched.forge.record import read_record
from fleetsched.model.proposal import Briefing, State
from tests.unit.forge.conftest import APP, BOT, OTHER, OWNER, READER, Place
from tests.unit.git_repository import git

pytestmark = pytest.mark.served

RUNS = "fair@" + "1c" * 32
BRANCH = "fleetsched/proposal/web"


def change(place: Place, content: str = "a: 2\n", fingerprint: str = "f", why: str = "because") -> Change:
    base = place.github.repository.tip("main")
    files = {"manifests/a.yaml": content.encode()}
    briefing = Briefing(hosts=("web-1", "web-2"), after="fair@1c1c1c1c")
    return Change("web", "fair", base, "Run fair for goal web", why, fingerprint * 64, files, briefing)


def test_a_proposal_is_a_pull_request_with_a_label_a_record_and_a_body(place: Place) -> None:
    opened = place.forge().open(change(place), None)
    listed = place.forge().proposals()
    assert (listed.proposals, listed.ignored) == ((opened,), ())
    (pull,) = place.github.repository.pulls.values()
    assert (pull.branch, pull.base, pull.author, pull.labels) == (BRANCH, "main", "fleet-bot", ["fleetsched"])
    assert (opened.state, opened.head, opened.policy) == (State.OPEN, pull.head, "fair")
    assert pull.title == "Run fair for goal web"
    assert "| hosts | 2: `web-1`, `web-2` |" in pull.body
    record = read_record(pull.body)
    assert record is not None
    assert (record.made, record.base, record.fingerprint) == (opened.head, opened.base, "f" * 64)
    assert git(place.clone, "status", "--porcelain") == ""


def test_the_same_flow_twice_updates_and_does_not_duplicate(place: Place) -> None:
    first = place.forge().open(change(place), None)
    again = place.forge()
    before = again.proposals().find("web")
    second = again.open(change(place, "a: 3\n", "e"), before)
    (pull,) = place.github.repository.pulls.values()
    assert (second.fingerprint, pull.head) == ("e" * 64, second.head)
    assert second.head != first.head
    assert git(place.clone, "ls-remote", "origin", f"refs/heads/{BRANCH}").split()[0] == second.head
    assert place.forge().proposals().proposals == (second,)


def test_the_same_again_writes_nothing_and_keeps_what_people_wrote_and_approved(place: Place) -> None:
    first = place.forge().open(change(place), None)
    (pull,) = place.github.repository.pulls.values()
    pull.body = pull.body.replace("because", "because, as we found out")
    place.github.repository.review(pull, "alice", first.head, "APPROVE", "")
    forge = place.forge()
    place.github.requests.clear()
    again = forge.open(change(place), forge.proposals().find("web"))
    assert (again.head, len(again.valid_approvals)) == (first.head, 1)
    assert not [each for each in place.github.requests if not each.startswith("GET")]
    assert "as we found out" in pull.body


def test_the_same_verdict_again_is_not_said_again(place: Place) -> None:
    opened = place.forge().open(change(place), None)
    forge = place.forge()
    place.github.requests.clear()
    for _ in range(2):
        forge.judge(Judged(opened.head, "fleetsched review", True, "good", "all good"))
    assert not [each for each in place.github.requests if each.startswith("PATCH")]
    assert len(place.github.repository.pulls[1].comments) == 1


def test_after_a_kill_between_push_and_pull_request_the_next_run_goes_on(place: Place) -> None:
    forge = place.forge()
    place.github.fail = [(500, {})]
    with pytest.raises(FleetschedError, match="cannot open a pull request: the forge failed"):
        forge.open(change(place), None)
    assert place.github.repository.pulls == {}
    assert place.github.repository.tip(BRANCH)
    opened = place.forge().open(change(place, "a: 3\n"), None)
    assert place.forge().proposals().proposals == (opened,)


def test_a_branch_that_people_pushed_to_is_not_overwritten(place: Place) -> None:
    place.forge().open(change(place), None)
    theirs = place.push("by: hand\n", branch=BRANCH)
    forge = place.forge()
    with pytest.raises(RefusedError, match="has commits that fleetsched did not make"):
        forge.open(change(place, "a: 3\n", "e"), forge.proposals().find("web"))
    assert place.github.repository.tip(BRANCH) == theirs


def test_a_commit_that_people_changed_is_theirs_though_its_message_is_ours(place: Place) -> None:
    place.forge().open(change(place), None)
    git(place.clone, "fetch", "origin")
    git(place.clone, "checkout", "--detach", f"origin/{BRANCH}")
    (place.clone / "manifests" / "a.yaml").write_text("a: 9\n")
    git(place.clone, "commit", "-a", "--amend", "--no-edit")
    git(place.clone, "push", "--force", "origin", f"HEAD:refs/heads/{BRANCH}")
    forge = place.forge()
    with pytest.raises(RefusedError, match="are not overwritten"):
        forge.open(change(place, "a: 3\n", "e"), forge.proposals().find("web"))


def test_a_code_owner_approves_exactly_the_tip_and_it_is_merged(place: Place) -> None:
    place.forge().open(change(place), None)
    owner = place.forge(OWNER)
    approved = owner.approve(owner.proposals().proposals[0], RUNS)
    assert [(each.by, each.commit, each.runs) for each in approved.approvals] == [
        ("alice", approved.head, RUNS)
    ]
    bot = place.forge()
    merged = bot.merge(bot.proposals().proposals[0])
    assert (merged.state, merged.merged_as) == (State.MERGED, place.github.repository.tip("main"))
    git(place.clone, "fetch", "origin")
    assert git(place.clone, "show", "origin/main:manifests/a.yaml") == "a: 2"
    assert "Approved-by: alice" in git(place.clone, "log", "-1", "--format=%B", "origin/main")
    assert not place.github.repository.tip(BRANCH)
    after = place.forge().proposals().proposals[0]
    assert (after.state, after.merged_as) == (State.MERGED, merged.merged_as)
    assert bot.merge(after) == after
    assert "+a: 2" in place.forge().diff(after)


@pytest.mark.parametrize(
    ("files", "reviews", "said"),
    [
        ("* @alice\n", [("mallory", "APPROVE")], '"manifests/a.yaml" waits for alice'),
        ("* @alice\n", [], '"manifests/a.yaml" waits for alice'),
        ("docs/ @alice\n", [("alice", "APPROVE")], '"manifests/a.yaml" has no code owner'),
        ("* @alice @bob\n", [("alice", "APPROVE"), ("bob", "REQUEST_CHANGES")], "bob asks for changes"),
        ("* @alice\n", [("alice", "APPROVE"), ("alice", "REQUEST_CHANGES")], "alice asks for changes"),
        ("* @acme/kernel\n", [("alice", "APPROVE")], '"manifests/a.yaml" waits for acme/kernel'),
    ],
)
def test_what_code_owners_did_not_agree_to_is_not_merged(
    place: Place, files: str, reviews: list[tuple[str, str]], said: str
) -> None:
    place.push(files, "CODEOWNERS")
    opened = place.forge().open(change(place), None)
    pull = place.github.repository.pulls[1]
    for by, event in reviews:
        place.github.repository.review(pull, by, opened.head, event, "")
    forge = place.forge()
    listed = forge.proposals().proposals[0]
    assert listed.valid_approvals == ()
    with pytest.raises(RefusedError) as caught:
        forge.merge(listed)
    assert said in caught.value.message


def test_a_team_approves_by_any_of_its_members(place: Place) -> None:
    place.push("* @acme/kernel\n", "CODEOWNERS")
    opened = place.forge().open(change(place), None)
    place.github.repository.teams["acme/kernel"] = {"mallory"}
    place.github.repository.review(place.github.repository.pulls[1], "mallory", opened.head, "APPROVE", "")
    assert [each.by for each in place.forge().proposals().proposals[0].valid_approvals] == ["mallory"]


def test_without_code_owners_nobody_can_approve(place: Place) -> None:
    git(place.clone, "rm", "CODEOWNERS")
    git(place.clone, "commit", "-m", "none")
    git(place.clone, "push", "origin", "HEAD:main")
    place.forge().open(change(place), None)
    forge = place.forge(OWNER)
    with pytest.raises(RefusedError, match="no CODEOWNERS file on the trusted branch"):
        forge.merge(forge.proposals().proposals[0])


def test_owners_are_those_of_the_trusted_branch_not_of_the_proposal(place: Place) -> None:
    base = place.github.repository.tip("main")
    files = {"manifests/a.yaml": b"a: 2\n", "CODEOWNERS": b"* @mallory\n"}
    opened = place.forge().open(Change("web", "fair", base, "Run", "why", "f" * 64, files), None)
    place.github.repository.review(place.github.repository.pulls[1], "mallory", opened.head, "APPROVE", "")
    assert place.forge().proposals().proposals[0].valid_approvals == ()


def test_nobody_approves_what_they_opened(place: Place) -> None:
    forge = place.forge()
    opened = forge.open(change(place), None)
    with pytest.raises(RefusedError, match="fleet-bot opened it, and cannot approve it"):
        forge.approve(opened, RUNS)
    assert place.github.repository.pulls[1].reviews == []


def test_an_approval_is_of_one_commit_only(place: Place) -> None:
    place.forge().open(change(place), None)
    owner = place.forge(OWNER)
    approved = owner.approve(owner.proposals().proposals[0], RUNS)
    place.push("a: 9\n", "manifests/a.yaml", BRANCH)
    forge = place.forge()
    moved = forge.proposals().proposals[0]
    assert moved.valid_approvals == ()
    assert moved.head != approved.head
    with pytest.raises(RefusedError, match="is not approved"):
        forge.merge(moved)


def test_what_moved_between_the_look_and_the_merge_is_not_merged(place: Place) -> None:
    place.forge().open(change(place), None)
    owner = place.forge(OWNER)
    approved = owner.approve(owner.proposals().proposals[0], RUNS)
    tip = place.github.repository.tip("main")
    place.push("a: 9\n", "manifests/a.yaml", BRANCH)
    with pytest.raises(ConflictError, match="Head branch was modified"):
        owner.merge(approved)
    assert place.github.repository.tip("main") == tip


def test_a_force_pushed_branch_loses_its_approval_and_its_claim_to_be_ours(place: Place) -> None:
    place.forge().open(change(place), None)
    owner = place.forge(OWNER)
    owner.approve(owner.proposals().proposals[0], RUNS)
    git(place.clone, "checkout", "--detach", "origin/main")
    (place.clone / "manifests" / "a.yaml").write_text("a: evil\n")
    git(place.clone, "commit", "-am", "forced")
    git(place.clone, "push", "--force", "origin", f"HEAD:refs/heads/{BRANCH}")
    forge = place.forge()
    forced = forge.proposals().proposals[0]
    assert (forced.valid_approvals, forced.head == forced.made) == ((), False)
    with pytest.raises(RefusedError, match=r'"manifests/a\.yaml" waits for 2 of alice'):
        forge.merge(forced)


def test_closed_it_keeps_its_reason_and_is_listed_as_closed(place: Place) -> None:
    forge = place.forge()
    forge.close(forge.open(change(place), None), "not @alice now, see #12")
    pull = place.github.repository.pulls[1]
    assert pull.comments[0]["body"].startswith("Closed: not (at)alice now, see no. 12\n")
    closed = place.forge().proposals().proposals[0]
    assert (closed.state, closed.fingerprint) == (State.CLOSED, "f" * 64)
    reopened = place.forge().open(change(place), closed)
    assert (reopened.state, len(place.github.repository.pulls)) == (State.OPEN, 2)


def test_what_is_no_proposal_is_ignored_and_named(place: Place) -> None:
    place.push("x: 1\n", branch="main")
    for branch in ("topic", BRANCH, "fleetsched/proposal/-x-", "fleetsched/proposal/db"):
        git(place.clone, "checkout", "--detach", "origin/main")
        git(place.clone, "commit", "--allow-empty", "-m", branch)
        git(place.clone, "push", "origin", f"HEAD:refs/heads/{branch}")
        place.github.repository.open("mallory", branch, "main", "t", "no record")
    place.github.repository.pulls[4].fork = "mallory/fleet"
    listing = place.forge().proposals()
    assert listing.proposals == ()
    assert [line.split(") ")[1] for line in listing.ignored] == [
        "comes from another repository: it is no proposal",
        "has not the name of a goal",
        "has no record of fleetsched in its body",
    ]


def test_a_pull_request_of_a_deleted_account_is_listed_with_the_others(place: Place) -> None:
    place.forge().open(change(place), None)
    place.push("other: 1\n", branch="main")
    git(place.clone, "commit", "--allow-empty", "-m", "topic")
    git(place.clone, "push", "origin", "HEAD:refs/heads/topic")
    repository = place.github.repository
    repository.open("mallory", "topic", "main", "t", "no record")
    repository.pulls[1].author = ""
    assert [(each.goal, each.author) for each in place.forge().proposals().proposals] == [("web", "")]


def test_a_report_is_one_comment_that_is_updated(place: Place) -> None:
    forge = place.forge()
    opened = forge.open(change(place), None)
    for text in ("web-1: ok", "web-1: rolled back", "web-1: rolled back"):
        forge.report(opened, text)
    comments = place.github.repository.pulls[1].comments
    assert len(comments) == 1
    assert comments[0]["body"].startswith("web-1: rolled back\n")


def test_the_mark_of_a_comment_that_others_copy_is_not_written_over(place: Place) -> None:
    forge = place.forge()
    opened = forge.open(change(place), None)
    theirs = {"id": 7, "by": "mallory", "body": "mine\n\n<!-- fleetsched:comment hosts -->\n"}
    place.github.repository.pulls[1].comments.append(theirs)
    forge.report(opened, "web-1: ok")
    assert [each["by"] for each in place.github.repository.pulls[1].comments] == ["mallory", "fleet-bot"]
    assert theirs["body"].startswith("mine")


@pytest.mark.parametrize(("user", "checks", "statuses"), [(APP, 1, 0), (OWNER, 0, 1)])
def test_a_check_is_a_check_run_of_an_app_and_a_status_of_others(
    place: Place, user: object, checks: int, statuses: int
) -> None:
    opened = place.forge().open(change(place), None)
    judged = Judged(opened.head, "fleetsched review", False, "not good", "| a | b |")
    where = place.forge(user).judge(judged)  # type: ignore[arg-type]
    assert where == "GitHub pull request 1"
    repository = place.github.repository
    assert (len(repository.checks), len(repository.statuses)) == (checks, statuses)
    assert {each.get("conclusion") or each["state"] for each in repository.checks + repository.statuses} == {
        "failure"
    }
    assert place.github.repository.pulls[1].comments[0]["by"] == user.login  # type: ignore[attr-defined]


def test_a_conflict_with_what_was_merged_meanwhile_is_said(place: Place) -> None:
    opened = place.forge().open(change(place), None)
    place.push("a: 5\n", "manifests/a.yaml")
    place.github.repository.review(place.github.repository.pulls[1], "alice", opened.head, "APPROVE", "")
    forge = place.forge()
    listed = forge.proposals().proposals[0]
    assert not forge.is_mergeable(listed)
    with pytest.raises(ConflictError, match="the proposal conflicts with what was merged since it was made"):
        forge.merge(listed)
    assert place.github.repository.tip(BRANCH) == opened.head


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "GitHub, acme/fleet: cannot list pull requests: the token is not accepted"),
        (403, {}, "the token may not: as the test wants it"),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1790000000"}, "until 2026-09-21T"),
        (429, {"Retry-After": "60"}, "too many requests, for 60 s more"),
        (404, {}, "no such repository or thing, or the token may not see it"),
    ],
)
def test_answers_of_the_forge_are_told_with_what_to_do(
    place: Place, status: int, headers: dict[str, str], said: str
) -> None:
    forge = place.forge()
    place.github.fail = [(status, headers)]
    with pytest.raises(FleetschedError) as caught:
        forge.proposals()
    assert said in caught.value.message
    assert caught.value.remedy


def test_a_forge_that_fails_for_a_moment_is_asked_again(place: Place) -> None:
    forge = place.forge()
    place.github.fail = [(502, {}), (503, {})]
    assert forge.proposals().proposals == ()
    place.github.fail = [(502, {})] * 9
    with pytest.raises(FleetschedError, match="the forge failed"):
        forge.proposals()


def test_who_may_only_read_is_told_so(place: Place) -> None:
    opened = place.forge().open(change(place), None)
    reader = place.forge(READER)
    with pytest.raises(FleetschedError, match="cannot comment on a pull request: the token may not"):
        reader.report(opened, "x")


def test_many_pull_requests_are_read_by_pages(place: Place) -> None:
    opened = place.forge().open(change(place), None)
    repository = place.github.repository
    first = repository.pulls[1]
    for number in range(2, 250):
        repository.pulls[number] = type(first)(
            number, BOT.login, f"topic-{number}", "main", "t", "", first.head, "closed", at=first.at
        )
    forge = place.forge(OTHER)
    place.github.requests.clear()
    assert forge.proposals().proposals == (opened,)
    assert place.github.requests.count("GET /repos/acme/fleet/pulls") == 3
