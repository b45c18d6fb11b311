# SPDX-License-Identifier: Apache-2.0
"""From a goal without a policy to a policy on every host, by commands and signed merges alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.real.conftest import FLEETSCHED, RealLab, bake_shortly

pytestmark = pytest.mark.lab

GOAL = "lab-fairness"


class Person:
    """Someone with a signing key, a checkout of the fleet repository, and a controller's file."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "fleet"
        key = home / "signing"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        signers = home / "allowed_signers"
        public = key.with_suffix(".pub").read_text(encoding="utf-8")
        signers.write_text(f'alice@example.invalid namespaces="git" {public}', encoding="utf-8")
        config = home / "config.yaml"
        config.write_text(f"trust: {{allowedSigners: {signers}}}\n", encoding="utf-8")
        (home / "gitconfig").write_text(
            "[user]\n\tname = Alice\n\temail = alice@example.invalid\n"
            f"\tsigningkey = {key}\n[gpg]\n\tformat = ssh\n[commit]\n\tgpgsign = true\n",
            encoding="utf-8",
        )
        self._environment = {
            **os.environ,
            "FLEETSCHED_CONFIG": str(config),
            "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def run(self, *command: str | Path, expect: int = 0, cwd: Path | None = None) -> str:
        """Run a command, check its exit code, and return what it printed, errors last."""
        answer = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert answer.returncode == expect, f"{command}: {answer.returncode}\n{answer.stdout}{answer.stderr}"
        return answer.stdout + answer.stderr

    def fleetsched(self, *arguments: str, expect: int = 0) -> str:
        """Run a command of fleetsched in the checkout."""
        return self.run(FLEETSCHED, *arguments, expect=expect)

    def git(self, *arguments: str) -> str:
        """Run Git in the checkout."""
        return self.run("git", *arguments)


@pytest.fixture
def alice(lab: RealLab, tmp_path: Path) -> Person:
    """She has just made a fleet repository with a bare one as its origin; its goal has no policy yet.

    Nothing was on the hosts before: this is the first test of its lab.
    """
    person = Person(tmp_path)
    person.run(FLEETSCHED, "init", person.folder, cwd=tmp_path)
    person.run("git", "init", "-q", "--bare", "-b", "main", tmp_path / "fleet.git", cwd=tmp_path)
    person.git("remote", "add", "origin", str(tmp_path / "fleet.git"))
    shutil.copy(lab.inventory, person.folder / "inventory" / "lab.yaml")
    bake_shortly(person.folder)
    edit(person.folder / "manifests" / "lab.yaml", r"  policy:\n(    .*\n)+", "")
    person.git("add", "--all")
    person.git("commit", "-q", "-m", "Say what the lab is for")
    person.git("push", "-q", "-u", "origin", "main")
    return person


def edit(file: Path, pattern: str, replacement: str) -> None:
    """Change one place of a file."""
    text, count = re.subn(pattern, replacement, file.read_text(encoding="utf-8"))
    assert count == 1, file
    file.write_text(text, encoding="utf-8")


def test_a_goal_becomes_a_policy_on_every_host(alice: Person, lab: RealLab, tmp_path: Path) -> None:
    assert f"unbound: goal {GOAL}" in alice.fleetsched("plan")
    assert "has no helper" in alice.fleetsched("observe", expect=4)
    alice.fleetsched("helper", "install", "--yes")
    assert alice.fleetsched("observe", "--seconds", "1").count("switches/s") == len(lab.hosts)
    for host in lab.hosts:
        assert lab.ssh(host, "cat /sys/kernel/sched_ext/state").strip() == "disabled"

    proposed = alice.fleetsched("propose", "--unmeasured")
    branch = f"fleetsched/proposal/{GOAL}"
    assert branch in proposed
    shown = alice.fleetsched("review", "show", GOAL)
    assert "kernel-default" in shown

    alice.git("fetch", "-q", "origin")
    alice.git("switch", "-q", branch)
    alice.fleetsched("status", "--snapshot", str(tmp_path / "state.json"))
    alice.fleetsched("review", "check", "--state", str(tmp_path / "state.json"))
    assert "NOT APPROVED: unmerged" in alice.fleetsched("apply", "--yes", expect=8)

    alice.git("switch", "-q", "main")
    alice.fleetsched("review", "approve", GOAL)
    alice.fleetsched("review", "merge", GOAL)
    assert "attach" in alice.fleetsched("plan", "--detailed-exitcode", expect=2)
    alice.fleetsched("apply", "--yes")

    revision = alice.git("rev-parse", "HEAD").strip()
    status = alice.fleetsched("status")
    assert status.count(f"revision {revision[:12]}") == len(lab.hosts)
    for host in lab.hosts:
        assert lab.ssh(host, "cat /sys/kernel/sched_ext/state").strip() == "enabled"
    alice.fleetsched("plan", "--detailed-exitcode")
