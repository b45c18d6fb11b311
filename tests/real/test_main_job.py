# SPDX-License-Identifier: Apache-2.0
"""The main job on real machines, by the commands that a user types."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import FLEETSCHED, PROJECT, RealLab, wait_until

pytestmark = pytest.mark.lab

GIT = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false"]


class FleetRepository:
    """A fleet repository with a trusted remote, and the commands run in it."""

    def __init__(self, folder: Path, lab: RealLab) -> None:
        self.folder = folder
        self.lab = lab
        self.run("init", str(folder), cwd=folder.parent)
        origin = folder.with_suffix(".git")
        subprocess.run([*GIT, "init", "-q", "--bare", "-b", "main", origin], check=True)
        self._git("remote", "add", "origin", str(origin))
        shutil.copy(lab.inventory, folder / "inventory" / "lab.yaml")
        self.publish()

    def run(
        self, *arguments: str, expect: int = 0, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and check its exit code."""
        answer = subprocess.run(
            [FLEETSCHED, *arguments],
            cwd=cwd or self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert answer.returncode == expect, (
            f"{arguments}: {answer.returncode}\n{answer.stdout}{answer.stderr}"
        )
        return answer

    def publish(self) -> None:
        """Commit and push everything: the merge that approves a revision."""
        self._git("add", "-A")
        self._git("commit", "-q", "--allow-empty", "-m", "Another revision")
        self._git("push", "-q", "origin", "HEAD:main")

    def edit(self, old: str, new: str) -> None:
        """Change the manifest."""
        manifest = self.folder / "manifests" / "lab.yaml"
        text = manifest.read_text(encoding="utf-8")
        assert old in text
        manifest.write_text(text.replace(old, new), encoding="utf-8")

    def bind(self, policy: str, source: Path) -> None:
        """Bind the goal to another policy, and publish."""
        shutil.copytree(source, self.folder / "policies" / policy, dirs_exist_ok=True)
        self.run("lock", policy)
        self.edit("name: fair", f"name: {policy}")
        self.publish()

    def status(self) -> dict[str, Any]:
        """What each host says."""
        answer = self.run("status", "--json")
        records = map(json.loads, answer.stdout.splitlines())
        return {record["host"]: record["status"] for record in records if record["type"] == "host"}

    def actions(self) -> dict[str, str]:
        """What the plan would do to each host."""
        answer = subprocess.run(
            [FLEETSCHED, "plan", "--json"], cwd=self.folder, capture_output=True, text=True, timeout=300
        )
        records = map(json.loads, answer.stdout.splitlines())
        return {record["host"]: record["action"] for record in records if record["type"] == "host"}

    def _git(self, *arguments: str) -> None:
        subprocess.run([*GIT, *arguments], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def fleet(lab: RealLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetRepository]:
    """A repository whose first revision, the policy `fair`, is on all hosts."""
    repository = FleetRepository(tmp_path_factory.mktemp("main-job") / "fleet", lab)
    repository.run("plan", "--detailed-exitcode", expect=2)
    repository.run("apply", "--yes")
    return repository


def kernel_of(status: dict[str, Any], host: str) -> tuple[str, str | None]:
    kernel = status[host]["kernel"]
    return kernel["state"], kernel["ops"]


def test_apply_puts_the_policy_on_every_host_and_is_done_then(fleet: FleetRepository) -> None:
    status = fleet.status()

    expected = dict.fromkeys(fleet.lab.hosts, ("enabled", "fair"))
    assert {host: kernel_of(status, host) for host in fleet.lab.hosts} == expected
    fleet.run("plan", "--detailed-exitcode")
    before = {host: status[host]["kernel"]["enable_seq"] for host in fleet.lab.hosts}
    assert "No changes" in fleet.run("apply", "--yes").stdout
    after = fleet.status()
    assert before == {host: after[host]["kernel"]["enable_seq"] for host in fleet.lab.hosts}


def test_hosts_themselves_say_what_helper_and_kernel_say(fleet: FleetRepository) -> None:
    for host in fleet.lab.hosts:
        said = fleet.lab.ssh(host, "cat /sys/kernel/sched_ext/state /sys/kernel/sched_ext/root/ops")
        assert said.split() == ["enabled", "fair"]


def test_changed_parameter_plans_replace_on_the_goals_hosts_only(fleet: FleetRepository) -> None:
    fleet.edit("name: fair", "name: fair, parameters: {slice_us: 7000}")
    try:
        assert fleet.actions() == dict.fromkeys(fleet.lab.hosts, "replace")
        refused = fleet.run("apply", "--yes", expect=8)
        assert "NOT APPROVED: dirty" in refused.stderr
    finally:
        fleet.edit("name: fair, parameters: {slice_us: 7000}", "name: fair")


def test_stalling_revision_is_undone_on_the_canary_and_touches_no_other_host(fleet: FleetRepository) -> None:
    before = fleet.status()
    canary, *others = fleet.lab.hosts
    fleet.bind("stall", PROJECT / "tests" / "policies" / "stall")
    try:
        applied = fleet.run("apply", "--yes", expect=3)

        assert "runnable task stall" in applied.stdout
        after = fleet.status()
        assert kernel_of(after, canary) == ("enabled", "fair")
        for host in others:
            assert after[host]["kernel"]["enable_seq"] == before[host]["kernel"]["enable_seq"]
        assert fleet.actions() == dict.fromkeys(fleet.lab.hosts, "held")
    finally:
        fleet.edit("name: stall", "name: fair")
        fleet.publish()
    assert set(fleet.actions().values()) == {"none"}


def test_controller_killed_in_mid_trial_leaves_a_host_that_reverts_by_itself(fleet: FleetRepository) -> None:
    canary = fleet.lab.hosts[0]
    fleet.bind("interactive", PROJECT / "policies" / "interactive")
    try:
        process = subprocess.Popen(
            [FLEETSCHED, "apply", "--yes"], cwd=fleet.folder, stdin=subprocess.DEVNULL, start_new_session=True
        )
        wait_until(
            lambda: (
                fleet.lab.ssh(canary, "cat /sys/kernel/sched_ext/root/ops", check=False).strip()
                == "interactive"
            ),
            within_s=120,
            what="the canary runs the policy on trial",
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

        wait_until(
            lambda: (
                fleet.lab.ssh(canary, "cat /sys/kernel/sched_ext/root/ops", check=False).strip() == "fair"
            ),
            within_s=180,
            what="the canary is back on its last known good",
        )
        history = fleet.status()[canary]["last_trial"]
        assert history["outcome"] == "expired"
    finally:
        fleet.edit("name: interactive", "name: fair")
        fleet.publish()


def test_foreign_scheduler_is_shown_by_name_and_not_thrown_out(
    fleet: FleetRepository, tmp_path: Path
) -> None:
    host = fleet.lab.hosts[1]
    fleet.lab.ssh(host, "echo S > /proc/sysrq-trigger")
    wait_until(
        lambda: fleet.lab.ssh(host, "cat /sys/kernel/sched_ext/state").strip() == "disabled",
        within_s=30,
        what="the policy is off",
    )
    assert fleet.actions()[host] == "heal"
    fleet.run("apply", "--yes")
    assert kernel_of(fleet.status(), host) == ("enabled", "fair")
