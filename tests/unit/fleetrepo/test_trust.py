# SPDX-License-Identifier: Apache-2.0
"""Who may say what runs on hosts: signatures, and repositories that try to run something themselves."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetsched.fleetrepo.revision import Revision, head
from fleetsched.model.controller import Trust
from tests.unit.git_repository import git


class Signer:
    """A key, and what it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self.key = folder / name
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", self.key], check=True
        )
        self.public = " ".join(self.key.with_suffix(".pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        listing = subprocess.run(["ssh-keygen", "-lf", self.key], check=True, capture_output=True, text=True)
        return listing.stdout.split()[1]

    def commit(self, clone: Path, *options: str) -> str:
        """Sign a new tip of the remote's main; return its first 12 digits."""
        settings = ("gpg.format=ssh", f"user.signingKey={self.key}")
        git(clone, "commit", "--allow-empty", "-S", "-m", "signed", *options, settings=settings)
        git(clone, "push", "origin", "HEAD:main")
        return git(clone, "rev-parse", "HEAD")[:12]


@pytest.fixture
def alice(tmp_path: Path) -> Signer:
    return Signer(tmp_path, "alice")


@pytest.fixture
def mallory(tmp_path: Path) -> Signer:
    return Signer(tmp_path, "mallory")


def allow(file: Path, signer: Signer, options: str = 'namespaces="git"') -> Trust:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"alice@example.test {options} {signer.public}\n")
    file.chmod(0o644)
    return Trust(allowed_signers=str(file))


def objections(clone: Path, trust: Trust) -> tuple[str, ...]:
    return head(clone, trust, fetch=True).objections


def test_a_tip_signed_by_an_allowed_signer_is_approved(clone: Path, tmp_path: Path, alice: Signer) -> None:
    alice.commit(clone)
    assert objections(clone, allow(tmp_path / "signers", alice)) == ()


def test_an_older_commit_below_a_signed_tip_is_approved(clone: Path, tmp_path: Path, alice: Signer) -> None:
    alice.commit(clone)
    git(clone, "checkout", "HEAD~1")
    assert objections(clone, allow(tmp_path / "signers", alice)) == ()


def test_an_unsigned_tip_is_refused(clone: Path, tmp_path: Path, alice: Signer) -> None:
    tip = git(clone, "rev-parse", "HEAD")[:12]
    assert objections(clone, allow(tmp_path / "signers", alice)) == (f"unsigned: {tip} has no signature",)


def test_an_unknown_key_is_refused_by_its_fingerprint(
    clone: Path, tmp_path: Path, alice: Signer, mallory: Signer
) -> None:
    tip = mallory.commit(clone)
    assert objections(clone, allow(tmp_path / "signers", alice)) == (
        f"unsigned: {tip} is signed with the key {mallory.fingerprint}, which is not in {tmp_path}/signers",
    )


def test_an_expired_key_is_refused(clone: Path, tmp_path: Path, alice: Signer) -> None:
    tip = alice.commit(clone)
    assert objections(clone, allow(tmp_path / "signers", alice, 'valid-before="20200101"')) == (
        f"unsigned: {tip} is signed with the key {alice.fingerprint}, which was not valid at its date",
    )


def test_an_expired_key_is_refused_although_the_commit_says_that_it_is_old(
    clone: Path, tmp_path: Path, alice: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2019-05-05T12:00:00Z")
    tip = alice.commit(clone)
    assert objections(clone, allow(tmp_path / "signers", alice, 'valid-before="20200101"')) == (
        f"unsigned: {tip} is signed by alice@example.test; its key {alice.fingerprint} is not valid any more",
    )


def test_a_key_for_other_signatures_is_refused(clone: Path, tmp_path: Path, alice: Signer) -> None:
    alice.commit(clone)
    (objection,) = objections(clone, allow(tmp_path / "signers", alice, 'namespaces="file"'))
    assert objection.startswith("unsigned: ")


def test_a_revoked_key_is_refused(clone: Path, tmp_path: Path, alice: Signer) -> None:
    tip = alice.commit(clone)
    listed = allow(tmp_path / "signers", alice)
    subprocess.run(
        ["ssh-keygen", "-q", "-k", "-f", tmp_path / "krl", alice.key.with_suffix(".pub")], check=True
    )
    trust = Trust(allowed_signers=listed.allowed_signers, revoked_keys=str(tmp_path / "krl"))
    assert objections(clone, trust) == (
        f"unsigned: {tip} has a signature that is wrong or revoked (Git says B)",
    )


def test_a_signature_in_another_format_is_refused_and_judged_by_no_program(
    clone: Path, tmp_path: Path, alice: Signer
) -> None:
    raw = git(clone, "cat-file", "commit", "HEAD") + "\n"
    armor = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQEz\n -----END PGP SIGNATURE-----\n"
    (tmp_path / "raw").write_text(raw.replace("\n\n", f"\n{armor}\n", 1))
    tip = git(clone, "hash-object", "-t", "commit", "-w", str(tmp_path / "raw"))
    git(clone, "reset", "--hard", tip)
    git(clone, "push", "--force", "origin", "HEAD:main")
    assert objections(clone, allow(tmp_path / "signers", alice)) == (
        f"unsigned: {tip[:12]} is not signed with an SSH key; no other signature is accepted",
    )


def test_a_changed_commit_keeps_no_signature(clone: Path, tmp_path: Path, alice: Signer) -> None:
    alice.commit(clone)
    raw = git(clone, "cat-file", "commit", "HEAD") + "\n"
    (tmp_path / "raw").write_text(raw.replace("signed", "forged"))
    tip = git(clone, "hash-object", "-t", "commit", "-w", str(tmp_path / "raw"))
    git(clone, "reset", "--hard", tip)
    git(clone, "push", "--force", "origin", "HEAD:main")
    (objection,) = objections(clone, allow(tmp_path / "signers", alice))
    assert objection == f"unsigned: {tip[:12]} has a signature that is wrong or revoked (Git says B)"


def test_a_repository_does_not_bring_its_own_signers(clone: Path, tmp_path: Path, mallory: Signer) -> None:
    allow(clone / "signers", mallory)
    git(clone, "add", "signers")
    mallory.commit(clone)
    for place in (clone / "signers", clone / ".git" / "signers"):
        trust = allow(place, mallory)
        assert objections(clone, trust) == (
            f"unsigned: trust.allowedSigners {place} lies in the repository, which cannot vouch for itself",
        )
    git(clone, "config", "gpg.ssh.allowedSignersFile", str(clone / "signers"))
    (objection,) = objections(clone, allow(tmp_path / "signers", Signer(tmp_path, "other")))
    assert mallory.fingerprint in objection


def test_signers_that_others_can_write_vouch_for_nobody(clone: Path, tmp_path: Path, alice: Signer) -> None:
    alice.commit(clone)
    trust = allow(tmp_path / "signers", alice)
    (tmp_path / "signers").chmod(0o666)
    assert objections(clone, trust) == (
        f"unsigned: trust.allowedSigners {tmp_path}/signers can be written by others than you and root",
    )
    (tmp_path / "signers").unlink()
    assert objections(clone, trust) == (
        f"unsigned: trust.allowedSigners {tmp_path}/signers cannot be read: No such file or directory",
    )


def test_a_remote_by_path_is_fetched_whatever_the_repository_calls_origin(
    clone: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--bare", "clone", "theirs.git")
    git(clone, "remote", "set-url", "origin", str(tmp_path / "theirs.git"))
    git(clone, "commit", "--allow-empty", "-m", "second")
    git(clone, "push", "origin", "HEAD:main")
    commit = git(clone, "rev-parse", "HEAD")
    assert objections(clone, Trust()) == ()
    trusted = Trust(remote=str(tmp_path / "remote.git"))
    assert objections(clone, trusted) == (f"unmerged: {commit[:12]} is not on main of {tmp_path}/remote.git",)


SETTINGS = [
    "core.fsmonitor",
    "core.hooksPath",
    "core.sshCommand",
    "core.askPass",
    "core.gitProxy",
    "core.pager",
    "core.alternateRefsCommand",
    "core.worktree",
    "credential.helper",
    "credential.https://example.test.helper",
    "diff.external",
    "diff.x.textconv",
    "filter.x.clean",
    "filter.x.process",
    "gpg.program",
    "gpg.ssh.program",
    "gpg.ssh.defaultKeyCommand",
    "remote.origin.uploadpack",
    "remote.origin.vcs",
    "url.https://evil.example.test/.insteadOf",
    "http.https://example.test/.sslVerify",
]


@pytest.mark.parametrize("key", SETTINGS)
def test_a_repository_that_names_a_program_is_refused_and_nothing_is_run(
    clone: Path, tmp_path: Path, key: str
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\n")
    program.chmod(0o755)
    (clone / ".gitattributes").write_text("* filter=x diff=x\n")
    git(clone, "config", key, str(program))

    revision = head(clone, Trust(), fetch=True)

    (objection,) = revision.objections
    assert revision.commit is None
    assert re.fullmatch(
        rf'unsafe-config: {re.escape(str(clone))}/\.git/config:[0-9]+: "{re.escape(key)}" .*', objection, re.I
    ), objection
    assert not (tmp_path / "executed").exists()


def test_settings_of_ordinary_users_are_no_objection(clone: Path) -> None:
    for key, value in {
        "user.email": "a@example.test",
        "commit.gpgSign": "true",
        "pull.rebase": "true",
        "branch.main.merge": "refs/heads/main",
        "core.fsmonitor": "false",
        "lfs.locksverify": "true",
    }.items():
        git(clone, "config", key, value)
    assert head(clone, Trust(), fetch=True).approved


def test_an_included_file_is_judged_like_the_rest(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "more").write_text("[core]\n\tfsmonitor = touch executed\n")
    git(clone, "config", "include.path", str(tmp_path / "more"))
    assert head(clone, Trust()).objections == (
        f'unsafe-config: {tmp_path}/more:2: "core.fsmonitor" runs a program',
    )


def test_hooks_are_not_run(clone: Path, tmp_path: Path) -> None:
    for name in (
        "post-checkout",
        "reference-transaction",
        "post-index-change",
        "pre-auto-gc",
        "fsmonitor-watchman",
    ):
        hook = clone / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\n")
        hook.chmod(0o755)
    assert head(clone, Trust(), fetch=True).approved
    assert not (tmp_path / "executed").exists()


def in_a_submodule(clone: Path) -> str:
    git(clone, "-c", "protocol.file.allow=always", "submodule", "add", "../remote.git", "policies/sub")
    return 'submodule: "policies/sub" is another repository, which is not followed: remove it'


def behind_a_symlink(clone: Path) -> str:
    (clone / "policies").symlink_to("/etc")
    git(clone, "add", "policies")
    return 'symlink: "policies" leads out of the fleet repository: remove it'


@pytest.mark.parametrize("hide", [in_a_submodule, behind_a_symlink])
def test_files_that_lie_elsewhere_are_refused(clone: Path, hide: Callable[[Path], str]) -> None:
    expected = hide(clone)
    git(clone, "commit", "-m", "hide")
    git(clone, "push", "origin", "HEAD:main")
    assert objections(clone, Trust()) == (expected,)


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_git_was_told_not_to_see_is_dirty(clone: Path, flag: str) -> None:
    git(clone, "update-index", flag, "manifests/a.yaml")
    (clone / "manifests" / "a.yaml").write_text("a: 666\n")
    assert objections(clone, Trust()) == ('dirty: not as committed: "manifests/a.yaml"',)


def test_another_repository_in_the_environment_does_not_count(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(clone, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert head(clone, Trust()) == Revision(commit)
