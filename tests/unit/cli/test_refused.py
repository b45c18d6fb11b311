# SPDX-License-Identifier: Apache-2.0
"""What apply refuses as a shell sees it: exit code 8, the reason, and nothing run or asked."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from fleetsched.operations.init import init
from tests.unit.git_repository import git


@dataclass(frozen=True)
class Fleet:
    """A signed fleet repository of a host that nobody may ask, and a program that nobody may run."""

    folder: Path
    config: Path
    program: Path
    key: Path

    @property
    def executed(self) -> Path:
        """What the program makes."""
        return self.program.with_suffix(".executed")

    def commit(self, *, key: Path | None = None, push: bool = True) -> None:
        """Commit everything, signed unless told not to."""
        settings = ("gpg.format=ssh", f"user.signingKey={key or self.key}")
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "--allow-empty", "-S", "-m", "more", settings=settings)
        if push:
            git(self.folder, "push", "origin", "HEAD:main")

    def new_key(self, name: str) -> Path:
        """Make a signing key."""
        key = self.program.with_name(name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        return key

    def allow(self, options: str, file: Path) -> None:
        """Let the key of `self` sign, with these options, by this file."""
        public = self.key.with_suffix(".pub").read_text()
        file.write_text(f"a@example.test {options} {public}")
        self.config.write_text(f"trust: {{allowedSigners: {file}}}\n")


@pytest.fixture
def fleet(tmp_path: Path, own_git: None, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    folder = tmp_path / "fleet"
    init(folder)
    (folder / "inventory" / "groups.yaml").write_text("lab: {hosts: {web-1: {ansible_connection: local}}}\n")
    git(tmp_path, "init", "--bare", "origin.git")
    git(folder, "remote", "add", "origin", str(tmp_path / "origin.git"))
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {program}.executed\n")
    program.chmod(0o755)
    made = Fleet(folder, tmp_path / "config.yaml", program, tmp_path / "key")
    made.new_key("key")
    made.allow('namespaces="git"', tmp_path / "signers")
    made.commit()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FLEETSCHED_CONFIG", str(made.config))
    # Whoever asks a host fails the test.
    monkeypatch.setattr(
        "fleetsched.transport.by_host.ByHostTransport.connect", lambda *_: pytest.fail("asked")
    )
    return made


def dirty(fleet: Fleet) -> None:
    (fleet.folder / "manifests" / "more.yaml").write_text("# more\n")


def unmerged(fleet: Fleet) -> None:
    fleet.commit(push=False)


def unsigned(fleet: Fleet) -> None:
    git(fleet.folder, "commit", "--allow-empty", "-m", "unsigned")
    git(fleet.folder, "push", "origin", "HEAD:main")


def unknown_key(fleet: Fleet) -> None:
    fleet.commit(key=fleet.new_key("mallory"))


def expired_key(fleet: Fleet) -> None:
    fleet.allow('valid-before="20200101"', fleet.program.with_name("signers"))


def own_signers(fleet: Fleet) -> None:
    fleet.allow('namespaces="git"', fleet.folder / "signers")
    fleet.commit()


def git_config(fleet: Fleet) -> None:
    git(fleet.folder, "config", "core.fsmonitor", str(fleet.program))


def git_filter(fleet: Fleet) -> None:
    (fleet.folder / ".gitattributes").write_text("* filter=x\n")
    fleet.commit()
    git(fleet.folder, "config", "filter.x.clean", str(fleet.program))


def submodule(fleet: Fleet) -> None:
    git(fleet.folder, "-c", "protocol.file.allow=always", "submodule", "add", "../origin.git", "policies/sub")
    fleet.commit()


def dynamic_inventory_on_a_branch(fleet: Fleet) -> None:
    program = fleet.folder / "inventory" / "cloud"
    program.write_bytes(fleet.program.read_bytes())
    program.chmod(0o755)
    fleet.commit(push=False)


def ref_name(fleet: Fleet) -> None:
    fleet.config.write_text("trust: {branch: '--upload-pack=x'}\n")


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (dirty, 8, 'refused: NOT APPROVED: dirty: not as committed: "manifests/more.yaml"'),
        (unmerged, 8, "is not on origin/main"),
        (unsigned, 8, "has no signature"),
        (unknown_key, 8, "which is not in "),
        (expired_key, 8, "which was not valid at its date"),
        (own_signers, 8, "lies in the repository, which cannot vouch for itself"),
        (git_config, 8, '"core.fsmonitor" runs a program'),
        (git_filter, 8, '"filter.x.clean" runs a program'),
        (submodule, 8, 'submodule: "policies/sub" is another repository, which is not followed: remove it'),
        (dynamic_inventory_on_a_branch, 8, "is not on origin/main"),
        (ref_name, 1, 'expected a branch\'s name such as `main`, got "--upload-pack=x"'),
    ],
)
def test_apply_refuses_and_runs_nothing(
    fleet: Fleet,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Fleet], None],
    code: int,
    said: str,
) -> None:
    spoil(fleet)
    assert main(["apply", "--yes"]) == code
    assert said in capsys.readouterr().err
    assert not fleet.executed.exists()


def test_hooks_of_the_repository_are_not_run(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("post-checkout", "post-merge", "reference-transaction", "post-index-change", "pre-push"):
        hook = fleet.folder / ".git" / "hooks" / name
        hook.write_bytes(fleet.program.read_bytes())
        hook.chmod(0o755)
    dirty(fleet)
    assert main(["apply", "--yes"]) == ExitCode.REFUSED
    assert main(["review", "list"]) == ExitCode.OK
    assert not fleet.executed.exists()


def test_what_is_approved_is_not_refused(fleet: Fleet) -> None:
    with pytest.raises(pytest.fail.Exception, match="asked"):
        main(["apply", "--yes"])
