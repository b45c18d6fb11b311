# SPDX-License-Identifier: Apache-2.0
"""The main job on real machines, by the commands that a user types."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetsched.build.policy import compile_policy
from fleetsched.rollout.run import LEASE_MARGIN_S
from tests.real.conftest import FLEETSCHED, PROJECT, RealLab, bake_shortly, wait_until

pytestmark = pytest.mark.lab

GIT = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false"]


DEADLINE_S = 45
"""Of the trial that nobody confirms: just above bake and margin, since the test waits for its end."""


FAIR_US = 6000
"""Of no other test, so that the first apply has something to do whatever the hosts ran before."""


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
        bake_shortly(folder)
        self.bind_fair()

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

    def write_binding(self, policy: str = "fair", slice_us: int | None = None) -> None:
        """Bind the goal to a policy, in the work tree only."""
        slice_us = slice_us or (FAIR_US if policy == "fair" else None)
        manifest = self.folder / "manifests" / "lab.yaml"
        parameters = f"    parameters: {{slice_us: {slice_us}}}\n" if slice_us else ""
        text, count = re.subn(
            r"    name: \w+\n(    parameters: .*\n)?(?=  rollout)",
            f"    name: {policy}\n{parameters}",
            manifest.read_text(encoding="utf-8"),
        )
        assert count == 1, manifest
        manifest.write_text(text, encoding="utf-8")

    def set_deadline(self, before_s: int, after_s: int) -> None:
        """Change the strategy's trialDeadline, in the work tree only."""
        manifest = self.folder / "manifests" / "lab.yaml"
        text = manifest.read_text(encoding="utf-8")
        assert f"trialDeadline: {before_s}s" in text
        changed = text.replace(f"trialDeadline: {before_s}s", f"trialDeadline: {after_s}s")
        manifest.write_text(changed, encoding="utf-8")

    def bind(self, policy: str, source: Path) -> None:
        """Bind the goal to another policy, and publish."""
        shutil.copytree(source, self.folder / "policies" / policy, dirs_exist_ok=True)
        self.run("lock", policy)
        self.write_binding(policy)
        self.publish()

    def bind_fair(self) -> None:
        """Go back to what the hosts run."""
        self.write_binding()
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
    fleet.write_binding(slice_us=7000)
    try:
        assert fleet.actions() == dict.fromkeys(fleet.lab.hosts, "replace")
        refused = fleet.run("apply", "--yes", expect=8)
        assert "NOT APPROVED: dirty" in refused.stderr
    finally:
        fleet.write_binding()


def test_stalling_revision_is_undone_on_the_canary_and_touches_no_other_host(fleet: FleetRepository) -> None:
    before = fleet.status()
    canary, *others = fleet.lab.hosts
    fleet.bind("stall", PROJECT / "tests" / "policies" / "stall")
    try:
        applied = fleet.run("apply", "--yes", expect=3)

        assert "runnable task stall" in applied.stdout, applied.stdout
        after = fleet.status()
        assert kernel_of(after, canary) == ("enabled", "fair")
        for host in others:
            assert after[host]["kernel"]["enable_seq"] == before[host]["kernel"]["enable_seq"]
        assert fleet.actions() == dict.fromkeys(fleet.lab.hosts, "held")
    finally:
        fleet.bind_fair()
    assert set(fleet.actions().values()) == {"none"}


def test_controller_killed_in_mid_trial_leaves_a_host_that_reverts_by_itself(fleet: FleetRepository) -> None:
    canary = fleet.lab.hosts[0]
    fleet.set_deadline(90, DEADLINE_S)
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
        assert fleet.status()[canary]["last_trial"]["outcome"] == "expired"
        tried, *_, back = history_since(fleet.lab, canary, "try")
        assert back["event"] == "reattached"
        assert back["boottime_ms"] - tried["boottime_ms"] <= (DEADLINE_S + 5) * 1000
        leases = [status["lease"] for status in fleet.status().values()]
        assert all(lease is None or lease["expires_in_ms"] <= LEASE_MARGIN_S * 1000 for lease in leases)
    finally:
        fleet.set_deadline(DEADLINE_S, 90)
        fleet.bind_fair()


def test_rebooted_host_comes_back_with_its_policy(fleet: FleetRepository) -> None:
    host = fleet.lab.hosts[1]
    boot = "cat /proc/sys/kernel/random/boot_id"
    identity = "hostname; cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub"
    before, same = fleet.lab.ssh(host, boot), fleet.lab.ssh(host, identity)
    # The connection ends with the machine, so its exit code says nothing.
    fleet.lab.ssh(host, "systemctl reboot", check=False)
    fleet.lab.disconnect(host)

    # Who connects while it goes down is neither refused nor answered.
    wait_until(
        lambda: fleet.lab.ssh(host, boot, shared=False, timeout=15) != before,
        within_s=300,
        what="the host has rebooted",
    )
    wait_until(
        lambda: fleet.lab.ssh(host, "cat /sys/kernel/sched_ext/root/ops", check=False).strip() == "fair",
        within_s=180,
        what="the policy is back",
    )
    assert fleet.actions()[host] == "none"
    assert fleet.lab.ssh(host, identity) == same
    asked = time.time()
    assert asked - 3 < float(fleet.lab.ssh(host, "date +%s.%N")) < time.time() + 3


def test_foreign_scheduler_is_shown_by_name_and_not_thrown_out(fleet: FleetRepository) -> None:
    host = fleet.lab.hosts[1]
    wait_until(
        lambda: all(status["lease"] is None for status in fleet.status().values()),
        within_s=DEADLINE_S + 90,
        what="no run that was killed has a host any more",
    )
    load_by_hand(fleet.lab, host, PROJECT / "policies" / "throughput")
    try:
        answer = fleet.run("plan", expect=0)
        assert fleet.actions()[host] == "adopt"
        assert "drift: throughput runs, not fair@" in answer.stdout
        refused = fleet.run("apply", "--yes", expect=3)
        assert "fleetsched does not throw out what it did not start" in " ".join(refused.stdout.split())
        assert fleet.lab.ssh(host, "cat /sys/kernel/sched_ext/root/ops").strip() == "throughput"
    finally:
        fleet.lab.ssh(
            host, "bpftool link detach pinned /sys/fs/bpf/by-hand/throughput; rm -r /sys/fs/bpf/by-hand"
        )
    assert fleet.actions()[host] == "heal"
    fleet.run("apply", "--yes")
    assert kernel_of(fleet.status(), host) == ("enabled", "fair")


def history_since(lab: RealLab, host: str, event: str) -> list[dict[str, Any]]:
    """The host's own history from the newest such event on."""
    entries = [
        json.loads(line) for line in lab.ssh(host, "cat /var/lib/fleetsched/history.jsonl").splitlines()
    ]
    newest = max(number for number, entry in enumerate(entries) if entry["event"] == event)
    return entries[newest:]


def load_by_hand(lab: RealLab, host: str, policy: Path) -> None:
    """Turn off what runs and attach a policy with bpftool, as an administrator might."""
    image = base64.b64encode(compile_policy(policy, {}).image).decode()
    lab.ssh(host, "echo S > /proc/sysrq-trigger")
    wait_until(
        lambda: lab.ssh(host, "cat /sys/kernel/sched_ext/state").strip() == "disabled",
        within_s=30,
        what="the policy is off",
    )
    lab.ssh(host, f"echo {image} | base64 -d > /tmp/by-hand.bpf.o")
    lab.ssh(host, "bpftool struct_ops register /tmp/by-hand.bpf.o /sys/fs/bpf/by-hand")
    assert lab.ssh(host, "cat /sys/kernel/sched_ext/root/ops").strip() == policy.name
