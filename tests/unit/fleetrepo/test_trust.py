# SPDX-License-Identifier: Apache-2.0
"""Who may say what runs on hosts: signatures, and repositories that try to run something themselves."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetsched.errors import RefusedError
from fleetsched.fleetrepo.git import Git
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


def test_an_older_signed_tip_that_comes_back_is_refused(clone: Path, tmp_path: Path, alice: Signer) -> None:
    trust = allow(tmp_path / "signers", alice)
    older, old = alice.commit(clone), alice.commit(clone)
    assert objections(clone, trust) == ()
    git(clone, "checkout", "HEAD~1")
    git(clone, "push", "--force", str(tmp_path / "remote.git"), "HEAD:main")
    (objection,) = objections(clone, trust)
    assert objection.startswith(f"rewound: origin/main was at {old} and is now at {older}")


def test_an_unsigned_tip_may_be_taken_back(clone: Path, tmp_path: Path, alice: Signer) -> None:
    trust = allow(tmp_path / "signers", alice)
    alice.commit(clone)
    git(clone, "commit", "--allow-empty", "-m", "by mistake")
    git(clone, "push", "origin", "HEAD:main")
    git(clone, "checkout", "HEAD~1")
    git(clone, "push", "--force", str(tmp_path / "remote.git"), "HEAD:main")
    assert objections(clone, trust) == ()


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
        f"unsigned: {tip} is signed with the key {alice.fingerprint}, which {tmp_path}/krl revokes",
    )


@pytest.mark.parametrize(("mode", "why"), [(0o666, "can be written by others than you and root"), (0, "")])
def test_a_list_of_revoked_keys_that_cannot_be_believed_is_no_list(
    clone: Path, tmp_path: Path, alice: Signer, mode: int, why: str
) -> None:
    alice.commit(clone)
    listed = allow(tmp_path / "signers", alice)
    if mode:
        (tmp_path / "krl").write_text(f"{alice.public}\n")
        (tmp_path / "krl").chmod(mode)
    trust = Trust(allowed_signers=listed.allowed_signers, revoked_keys=str(tmp_path / "krl"))
    assert objections(clone, trust) == (
        f"unsigned: trust.revokedKeys {tmp_path}/krl {why or 'cannot be read: No such file or directory'}",
    )


def test_a_user_who_likes_to_see_signatures_is_understood(
    clone: Path, tmp_path: Path, alice: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text("[log]\n\tshowSignature = true\n[color]\n\tui = always\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    alice.commit(clone)
    assert objections(clone, allow(tmp_path / "signers", alice)) == ()


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
    assert objection == f"unsigned: {tip[:12]} has a wrong signature (Git says B)"


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


def test_a_remote_that_is_called_like_the_trusted_url_leads_nowhere_else(clone: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--bare", "clone", "theirs.git")
    git(clone, "commit", "--allow-empty", "-m", "second")
    git(clone, "push", str(tmp_path / "theirs.git"), "HEAD:main")
    trusted = f"file://{tmp_path}/remote.git"
    git(clone, "config", f"remote.{trusted}.url", str(tmp_path / "theirs.git"))
    commit = git(clone, "rev-parse", "HEAD")
    assert objections(clone, Trust(remote=trusted)) == (
        f"unmerged: {commit[:12]} is not on main of {trusted}",
    )


def test_a_remote_below_the_users_folder_is_found(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert objections(clone, Trust(remote="~/remote.git")) == ()


SETTINGS = [
    *("core.fsmonitor", "core.hooksPath", "core.sshCommand", "core.askPass", "core.gitProxy", "core.editor"),
    *("core.pager", "core.alternateRefsCommand", "core.worktree", "pager.log", "sequence.editor"),
    *("credential.helper", "credential.https://example.test.helper", "interactive.diffFilter"),
    *("diff.external", "diff.x.textconv", "diff.x.command", "merge.x.driver", "submodule.x.update"),
    *("filter.x.clean", "filter.x.smudge", "filter.x.process", "filter.lfs.clean", "filter..clean"),
    *("lfs.extension.x.clean", "lfs.customtransfer.x.path", "trailer.x.command"),
    *("gpg.program", "gpg.ssh.program", "gpg.openpgp.program", "gpg.ssh.defaultKeyCommand"),
    *("remote.origin.uploadpack", "remote.origin.receivepack", "remote.origin.vcs", "remote.origin.proxy"),
    *("url.https://evil.example.test/.insteadOf", "url.x.pushInsteadOf", "fetch.bundleURI"),
    *("http.proxy", "http.https://example.test/.sslVerify", "http.sslCAInfo", "http.curloptResolve"),
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
    lines = (clone / ".git" / "config").read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if str(program) in line)

    revision = head(clone, Trust(), fetch=True)

    (objection,) = revision.objections
    assert revision.commit is None
    assert objection.lower().startswith(f'unsafe-config: {clone}/.git/config:{number}: "{key}" '.lower())
    assert revision.remedy == (
        "remove the setting from the repository (`git config --unset`), or make it your own (--global)"
    )
    with pytest.raises(RefusedError, match=r"^unsafe-config: "):
        Git(clone).run("status")
    assert not (tmp_path / "executed").exists()


def test_certificates_that_are_not_checked_are_refused(clone: Path) -> None:
    git(clone, "config", "http.sslVerify", "false")
    (objection,) = head(clone, Trust()).objections
    assert objection.endswith('"http.sslverify" lets anybody answer for the remote')


def test_a_configuration_that_cannot_be_read_is_refused(clone: Path) -> None:
    (clone / ".git" / "config").write_text("[core\n")
    assert head(clone, Trust()).objections == (
        "unsafe-config: the repository's configuration cannot be judged "
        "(bad config line 1 in file .git/config)",
    )


def test_settings_of_ordinary_users_are_no_objection(clone: Path) -> None:
    for key, value in {
        "user.email": "a@example.test",
        "commit.gpgSign": "true",
        "pull.rebase": "true",
        "branch.main.merge": "refs/heads/main",
        "core.fsmonitor": "false",
        "core.pager": "",
        "core.editor": "",
        "pager.log": "false",
        "alias.st": "status",
        "remote.origin.pushurl": "ssh://git@example.test/fleet.git",
        "http.https://example.test/.extraHeader": "X-Y: z",
        "lfs.locksverify": "true",
        "filter.lfs.clean": "git-lfs clean -- %f",
        "filter.lfs.process": "git-lfs filter-process",
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


def by_a_replacement(clone: Path, approved: str, own: str) -> None:
    git(clone, "replace", "--graft", approved, own)


def by_grafts(clone: Path, approved: str, own: str) -> None:
    (clone / ".git" / "info" / "grafts").write_text(f"{approved} {own}\n")


@pytest.mark.parametrize("claim", [by_a_replacement, by_grafts])
def test_a_repository_cannot_make_its_commit_an_ancestor(
    clone: Path, claim: Callable[[Path, str, str], None]
) -> None:
    git(clone, "commit", "--allow-empty", "-m", "approved")
    git(clone, "push", "origin", "HEAD:main")
    approved = git(clone, "rev-parse", "HEAD")
    git(clone, "checkout", "HEAD~1")
    git(clone, "commit", "--allow-empty", "-m", "own")
    own = git(clone, "rev-parse", "HEAD")
    claim(clone, approved, own)
    assert git(clone, "merge-base", own, "origin/main") == own  # what Git itself would believe
    assert objections(clone, Trust()) == (f"unmerged: {own[:12]} is not on origin/main",)


def forge(clone: Path, name: str, kind: str, content: bytes) -> None:
    """Store other content under the name of an object."""
    file = clone / ".git" / "objects" / name[:2] / name[2:]
    file.unlink(missing_ok=True)
    file.write_bytes(zlib.compress(b"%s %d\0" % (kind.encode(), len(content)) + content))


def test_another_tree_under_an_approved_name_is_refused(clone: Path) -> None:
    tree = git(clone, "rev-parse", "HEAD:manifests")
    (clone / "manifests" / "a.yaml").write_text("a: 666\n")
    blob = git(clone, "hash-object", "-w", "manifests/a.yaml")
    forge(clone, tree, "tree", b"100644 a.yaml\0" + bytes.fromhex(blob))
    assert objections(clone, Trust()) == (f"forged: the tree {tree[:12]} is not what its name says",)


def test_another_parent_under_an_approved_name_is_refused(clone: Path) -> None:
    for subject in ("between", "tip"):
        git(clone, "commit", "--allow-empty", "-m", subject)
    git(clone, "push", "origin", "HEAD:main")
    between = git(clone, "rev-parse", "HEAD~1")
    raw = git(clone, "cat-file", "commit", between) + "\n"
    git(clone, "checkout", "HEAD~2")
    git(clone, "commit", "--allow-empty", "-m", "own")
    own = git(clone, "rev-parse", "HEAD")
    forge(clone, between, "commit", raw.replace(git(clone, "rev-parse", "HEAD~1"), own).encode())
    assert git(clone, "merge-base", own, "origin/main") == own  # what Git itself would believe
    assert objections(clone, Trust()) == (f"forged: the commit {between[:12]} is not what its name says",)


def test_a_change_is_seen_whatever_the_index_says_of_its_time_and_size(clone: Path) -> None:
    file = clone / "manifests" / "a.yaml"
    file.write_text("a: 9\n")
    os.utime(file, (1e9, 1e9))  # Git looks again into what changed just before the index did
    listed = git(clone, "ls-files", "--stage", "manifests/a.yaml").split()
    content = git(clone, "cat-file", "blob", listed[1])
    git(clone, "add", "manifests/a.yaml")
    other = git(clone, "ls-files", "--stage", "manifests/a.yaml").split()[1]
    index = clone / ".git" / "index"
    data = index.read_bytes().replace(bytes.fromhex(other), bytes.fromhex(listed[1]))[:-20]
    index.write_bytes(data + hashlib.sha1(data, usedforsecurity=False).digest())
    assert (content, git(clone, "status", "--porcelain")) == ("a: 1", "")  # what Git itself would believe
    assert objections(clone, Trust()) == ('dirty: not as committed: "manifests/a.yaml"',)


def test_a_program_that_no_commit_has_is_no_inventory(clone: Path) -> None:
    (clone / ".git" / "info" / "exclude").write_text("inventory/cloud\n")
    (clone / "inventory").mkdir()
    (clone / "inventory" / "cloud").write_text("#!/bin/sh\n")
    (clone / "inventory" / "cloud").chmod(0o755)
    assert objections(clone, Trust()) == ('dirty: not as committed: "inventory/cloud"',)


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
