# SPDX-License-Identifier: Apache-2.0
"""Merging a pull request where the controller's file asks for signatures: Git merges, signs and pushes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleetsched.errors import ConflictError, FleetschedError, RefusedError
from fleetsched.fleetrepo.branches import Branches
from fleetsched.fleetrepo.signatures import signature_objections
from fleetsched.forge.pull_requests import PullRequestForge
from fleetsched.model.controller import Trust
from fleetsched.model.proposal import State
from tests.unit.forge.conftest import BOT, OWNER, Place
from tests.unit.forge.test_github import BRANCH, RUNS, change
from tests.unit.git_repository import git

pytestmark = pytest.mark.served


@pytest.fixture
def trust(tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> Trust:
    """Alice's key is the only one that is allowed, her Git signs with it, and the branch's tip is hers."""
    make_key(tmp_path / "alice")
    public = (tmp_path / "alice.pub").read_text()
    (tmp_path / "signers").write_text(f'alice@example.test namespaces="git" {public}')
    sign_with(tmp_path / "alice", monkeypatch)
    git(place.clone, "commit", "--allow-empty", "-S", "-m", "from here on signed")
    git(place.clone, "push", "origin", "HEAD:main")
    return Trust(allowed_signers=str(tmp_path / "signers"))


def make_key(file: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)


def sign_with(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = key.with_name("gitconfig")
    settings.write_text(f"[gpg]\nformat = ssh\n[user]\nsigningkey = {key}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))


def approved(place: Place, trust: Trust) -> PullRequestForge:
    """A proposal that the bot opened and its code owner approved, as the owner sees it."""
    place.forge(BOT, trust).open(change(place), None)
    owner = place.forge(OWNER, trust)
    owner.approve(owner.proposals().proposals[0], RUNS)
    owner.proposals()
    return owner


def tip(place: Place) -> str:
    return place.github.repository.tip("main")


def test_an_approved_proposal_is_merged_by_a_signed_commit_and_the_forge_knows(
    place: Place, trust: Trust
) -> None:
    owner = approved(place, trust)
    proposal = owner.proposals().proposals[0]

    merged = owner.merge(proposal)

    assert (merged.state, merged.merged_as) == (State.MERGED, tip(place))
    branches = Branches(place.clone, trust)
    assert list(signature_objections(branches.git, branches.trusted_tip(), trust)) == []
    assert git(place.clone, "show", "origin/main:manifests/a.yaml") == "a: 2"
    assert git(place.clone, "show", "-s", "--format=%P", "origin/main").split()[1] == proposal.head
    assert "Approved-by: alice" in git(place.clone, "log", "-1", "--format=%B", "origin/main")
    after = place.forge(BOT, trust).proposals().proposals[0]
    assert (after.state, after.merged_as) == (State.MERGED, merged.merged_as)
    assert not place.github.repository.tip(BRANCH)


def test_a_signature_does_not_stand_for_the_code_owners_approval(place: Place, trust: Trust) -> None:
    before = tip(place)
    opened = place.forge(BOT, trust).open(change(place), None)
    with pytest.raises(RefusedError, match=r"is not approved: .* waits for alice"):
        place.forge(OWNER, trust).merge(opened)
    assert tip(place) == before


def test_whose_git_signs_with_another_key_cannot_merge(
    place: Place, trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, before = approved(place, trust), tip(place)
    (tmp_path / "mallory").mkdir()
    make_key(tmp_path / "mallory" / "key")
    sign_with(tmp_path / "mallory" / "key", monkeypatch)
    with pytest.raises(RefusedError, match=r"the merge would not be approved: unsigned: .* which is not in"):
        owner.merge(owner.proposals().proposals[0])
    assert (tip(place), place.github.repository.pulls[1].state) == (before, "open")


def test_whose_git_does_not_sign_is_told_how(
    place: Place, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, before = approved(place, trust), tip(place)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    with pytest.raises(FleetschedError, match="Git cannot sign the merge") as caught:
        owner.merge(owner.proposals().proposals[0])
    assert "git config --global user.signingkey KEY" in caught.value.remedy
    assert (tip(place), place.github.repository.pulls[1].state) == (before, "open")


def test_what_nobody_signed_is_not_vouched_for_by_merging_on_top_of_it(place: Place, trust: Trust) -> None:
    owner = approved(place, trust)
    evil = place.push("* @mallory\n", "CODEOWNERS")
    head = place.github.repository.tip(BRANCH)
    place.github.repository.review(place.github.repository.pulls[1], "mallory", head, "APPROVE", "")
    with pytest.raises(RefusedError, match=f"not approved itself: unsigned: {evil[:12]}") as caught:
        owner.merge(owner.proposals().proposals[0])
    assert "look at what is on main" in caught.value.remedy
    assert tip(place) == evil


def test_exactly_what_was_approved_is_merged_though_the_branch_has_moved(place: Place, trust: Trust) -> None:
    owner = approved(place, trust)
    proposal = owner.proposals().proposals[0]
    later = place.push("a: 9\n", "manifests/a.yaml", BRANCH)
    owner.merge(proposal)
    git(place.clone, "fetch", "origin")
    assert git(place.clone, "show", "origin/main:manifests/a.yaml") == "a: 2"
    assert place.github.repository.tip(BRANCH) == later


def test_what_was_merged_meanwhile_is_not_overwritten(place: Place, trust: Trust) -> None:
    owner = approved(place, trust)
    proposal = owner.proposals().proposals[0]
    later = place.push("b: 1\n")
    with pytest.raises(ConflictError, match="somebody else changed it at the same time"):
        owner.merge(proposal)
    assert tip(place) == later
