# SPDX-License-Identifier: Apache-2.0
"""Whose inventory `review check` takes: the base's, and never a file that a proposal points to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetsched.errors import InputError
from fleetsched.model.controller import Trust
from fleetsched.model.fleet import Fleet
from fleetsched.model.plan import Plan
from fleetsched.model.verdict import Result, Verdict
from fleetsched.operations.init import init
from fleetsched.operations.review_check import review_check
from fleetsched.views.plan import plan_text
from fleetsched.views.verdict import verdict_markdown
from tests.unit.git_repository import git

SECRET = "hunter2"


@dataclass
class Judging:
    """A published fleet repository, in a folder of a Git repository or at its top."""

    root: Path

    def commit(self, message: str = "x") -> str:
        git(self.root, "add", "-A")
        git(self.root, "commit", "-m", message)
        return git(self.root, "rev-parse", "HEAD")

    def publish(self) -> None:
        self.commit()
        git(self.root, "push", "origin", "HEAD:main")

    def propose(self) -> None:
        """Commit a change that a proposal may make."""
        lessons = self.root / "policies" / "fair" / "NOTES.md"
        lessons.write_text("more\n")
        self.commit()

    def judge(self) -> tuple[Verdict, list[str]]:
        """The verdict, and the hosts that a plan was asked for."""
        hosts: list[str] = []

        def plan(fleet: Fleet, commit: str) -> Plan:
            hosts.extend(sorted(fleet.inventory.hosts))
            return Plan(commit, (), ())

        return review_check(self.root, Trust(), plan=plan, show_plan=lambda plan, fleet: ""), hosts


@pytest.fixture
def fleet(tmp_path: Path, own_git: None) -> Judging:
    root = tmp_path / "fleet"
    init(root)
    (root / "inventory" / "groups.yaml").write_text("lab: {hosts: {web-1: {}}}\n")
    git(tmp_path, "init", "--bare", "origin.git")
    git(root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    judging = Judging(root)
    judging.publish()
    git(root, "switch", "-c", "proposal")
    return judging


def link_out(root: Path, secret: Path) -> None:
    (root / "inventory" / "zz.ini").symlink_to(secret)


def link_to_gits_own(root: Path, secret: Path) -> None:
    (root / ".git" / "secret").write_text(secret.read_text())
    (root / "inventory" / "zz.ini").symlink_to("../.git/secret")


def link_for_the_folder(root: Path, secret: Path) -> None:
    (root / "inventory" / "groups.yaml").unlink()
    (root / "inventory").rmdir()
    (root / "inventory").symlink_to(secret.parent)


def another_inventory(root: Path, secret: Path) -> None:
    file = root / "fleetsched.yaml"
    file.write_text(file.read_text().replace("inventory: inventory", f"inventory: {secret}"))


@pytest.mark.parametrize("pointing", [link_out, link_to_gits_own, link_for_the_folder, another_inventory])
def test_a_proposal_cannot_have_a_file_of_this_machine_quoted(
    fleet: Judging, tmp_path: Path, pointing: Callable[[Path, Path], None]
) -> None:
    secret = tmp_path / "secrets" / "token.ini"
    secret.parent.mkdir()
    secret.write_text(f"web-9 {SECRET} {SECRET}=\n")
    pointing(fleet.root, secret)
    fleet.propose()
    verdict, hosts = fleet.judge()
    assert SECRET not in verdict_markdown(verdict)
    assert (verdict.checks[0].result, verdict.checks[1].result) == (Result.BAD, Result.GOOD)
    assert hosts == ["web-1"]


def test_nor_can_a_commit_that_only_its_history_vouches_for(fleet: Judging, tmp_path: Path) -> None:
    (tmp_path / "token.ini").write_text(f"web-9 {SECRET} {SECRET}=\n")
    link_out(fleet.root, tmp_path / "token.ini")
    pointing = fleet.commit()
    (fleet.root / "inventory" / "zz.ini").unlink()
    fleet.publish()
    git(fleet.root, "reset", "--hard", pointing)
    fleet.propose()
    verdict, hosts = fleet.judge()
    assert SECRET not in verdict_markdown(verdict)
    assert ([check.result for check in verdict.checks[:2]], hosts) == ([Result.GOOD, Result.GOOD], ["web-1"])


def test_links_within_the_approved_repository_are_followed(fleet: Judging) -> None:
    root = fleet.root
    git(root, "switch", "main")
    (root / "shared" / "more").mkdir(parents=True)
    (root / "shared" / "db.ini").write_text("[db]\ndb-1\n")
    (root / "shared" / "more" / "cache.yaml").write_text("cache: {hosts: {cache-1: {}}}\n")
    (root / "shared" / "more" / "again.ini").symlink_to("../db.ini")
    (root / "inventory" / "db.ini").symlink_to("../shared/db.ini")
    (root / "inventory" / "more").symlink_to("../shared/more")
    fleet.publish()
    git(root, "switch", "-C", "proposal")
    fleet.propose()
    verdict, hosts = fleet.judge()
    assert (verdict.good, hosts) == (True, ["cache-1", "db-1", "web-1"])


def test_a_link_out_of_the_approved_repository_is_told(fleet: Judging, tmp_path: Path) -> None:
    (tmp_path / "hosts.ini").write_text("web-9\n")
    link_out(fleet.root, tmp_path / "hosts.ini")
    fleet.publish()
    fleet.propose()
    with pytest.raises(InputError) as caught:
        fleet.judge()
    base = git(fleet.root, "rev-parse", "origin/main")[:12]
    assert str(caught.value) == (
        f'{base}: "inventory/zz.ini" among inventories is a link that leads out of the repository\n'
        "  put the file itself there, or name inventories with -i"
    )


def test_what_git_ignores_is_the_users_own_and_counts(fleet: Judging) -> None:
    (fleet.root / "inventory" / "lab.yaml").write_text("lab: {hosts: {lab-1: {}}}\n")
    fleet.propose()
    verdict, hosts = fleet.judge()
    assert (verdict.good, hosts) == (True, ["lab-1", "web-1"])


def test_an_inventory_beside_the_fleet_repository_in_a_larger_one_is_found(
    tmp_path: Path, own_git: None
) -> None:
    top = tmp_path / "infra"
    init(top / "fleet")
    (top / "fleet" / ".git").rename(top / ".git")
    (top / "ansible" / "group_vars").mkdir(parents=True)
    (top / "ansible" / "hosts.ini").write_text("[lab]\nweb-1\n")
    (top / "ansible" / "group_vars" / "lab.yaml").write_text("ansible_user: ann\n")
    another_inventory(top / "fleet", Path("../ansible/hosts.ini"))
    git(tmp_path, "init", "--bare", "origin.git")
    git(top, "remote", "add", "origin", str(tmp_path / "origin.git"))
    fleet = Judging(top / "fleet")
    git(top, "add", "-A")
    fleet.publish()
    fleet.propose()
    verdict, hosts = fleet.judge()
    assert (verdict.good, hosts) == (True, ["web-1"])


def test_an_inventory_outside_of_the_repository_is_read_where_the_base_names_it(
    fleet: Judging, tmp_path: Path
) -> None:
    (tmp_path / "hosts.ini").write_text("[lab]\nweb-7\n")
    another_inventory(fleet.root, Path("../hosts.ini"))
    fleet.publish()
    fleet.propose()
    verdict, hosts = fleet.judge()
    assert (verdict.good, hosts) == (True, ["web-7"])


def test_a_program_of_the_base_is_not_run(fleet: Judging) -> None:
    program = fleet.root / "inventory" / "hosts.py"
    program.write_text("#!/bin/sh\ntouch executed\n")
    program.chmod(0o755)
    fleet.publish()
    fleet.propose()
    verdict, _ = fleet.judge()
    assert (
        verdict.checks[1].details[0].startswith("inventory/hosts.py: is a program, and nobody vouches for it")
    )


def test_inventories_that_are_named_are_read_as_they_are(fleet: Judging, tmp_path: Path) -> None:
    (tmp_path / "mine.ini").write_text("[lab]\nweb-8\n")
    fleet.propose()
    seen = []

    def plan(loaded: Fleet, commit: str) -> Plan:
        seen.extend(loaded.inventory.hosts)
        return Plan(commit, (), ())

    mine = [tmp_path / "mine.ini"]
    assert review_check(fleet.root, Trust(), inventory=mine, plan=plan, show_plan=plan_text).good
    assert seen == ["web-8"]
