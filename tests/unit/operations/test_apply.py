# SPDX-License-Identifier: Apache-2.0
"""plan, apply, rollback and retry over simulated hosts, from a real fleet repository with real objects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fleetsched.errors import (
    BuildError,
    ExitCode,
    InputError,
    LeaseHeldError,
    RefusedError,
    UnreachableError,
)
from fleetsched.fleetrepo.load import load_fleet
from fleetsched.fleetrepo.revision import Revision
from fleetsched.helper.simulated import Behaviour, SimulatedHost, SimulatedTransport
from fleetsched.model.controller import Controller as Settings
from fleetsched.model.inventory import Host
from fleetsched.model.plan import Action, Claim, Desired, HostPlan, Plan
from fleetsched.model.rollout import Phase
from fleetsched.model.run import Applied, HostResult
from fleetsched.model.state import Record
from fleetsched.operations.apply import apply, check_lab
from fleetsched.operations.diff import policy_diffs
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.init import init
from fleetsched.operations.plan import EVERY_HOST, Selection, plan, select
from fleetsched.operations.release import host_to_release, plan_release, release
from fleetsched.operations.rollback import plan_rollback, retry, rollback
from tests.unit.builders import assignment
from tests.unit.git_repository import git
from tests.unit.rollout.test_engine import HELPER

NAMES = ("lab-1", "lab-2", "lab-3")
Actions = dict[str, str]


@dataclass
class Controller:
    """A fleet repository, its simulated hosts, and the operations on them."""

    root: Path
    hosts: dict[str, SimulatedHost]

    def access(self, *objections: str) -> FleetAccess:
        revision = Revision("c" * 40, objections)
        transport = SimulatedTransport(self.hosts)
        return FleetAccess(
            self.root, load_fleet(self.root), revision, Settings(), transport, lambda arch: HELPER, 4
        )

    def actions(self, limit: str | None = None) -> Actions:
        with plan(self.access(), Selection(limit)) as planned:
            return {host.host: host.words for host in planned.plan.hosts}

    def apply(self) -> Applied:
        access = self.access()
        with plan(access) as planned:
            return apply(access, planned, journals=self.root.parent / "runs", report=lambda event: None)

    def rollback(self) -> Applied:
        access = self.access()
        with plan(access) as planned:
            undo = plan_rollback(planned, None)
            journals = self.root.parent / "runs"
            return rollback(access, planned, undo, journals=journals, report=lambda event: None)

    def retry(self) -> list[tuple[str, str]]:
        with plan(self.access()) as planned:
            return retry(planned)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def ops(self) -> dict[str, str | None]:
        return {name: host.kernel.ops for name, host in self.hosts.items()}


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    root = tmp_path / "fleet"
    init(root)
    lines = "".join(f"        {name}:\n" for name in NAMES)
    (root / "inventory" / "lab.yaml").write_text(f"all:\n  children:\n    lab:\n      hosts:\n{lines}")
    return Controller(root, {name: SimulatedHost(name, installed=False) for name in NAMES})


def all_hosts(action: str) -> Actions:
    return dict.fromkeys(NAMES, action)


def test_plan_apply_plan_is_changes_done_nothing(controller: Controller) -> None:
    assert controller.actions() == all_hosts("install-helper, attach")

    applied = controller.apply()

    assert applied.exit_code is ExitCode.OK
    assert controller.ops() == dict.fromkeys(NAMES, "fair")
    assert controller.actions() == all_hosts("none")


def test_changed_parameter_is_a_replace_and_can_be_rolled_back_by_hand(controller: Controller) -> None:
    controller.apply()
    controller.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")
    assert controller.actions() == all_hosts("replace")
    controller.apply()
    assert controller.actions() == all_hosts("none")

    undone = controller.rollback()

    assert undone.exit_code is ExitCode.OK
    assert controller.actions() == all_hosts("held")
    assert {name for name, _ in controller.retry()} == set(NAMES)
    assert controller.actions() == all_hosts("replace")


def test_rollback_of_the_first_run_gives_the_kernels_scheduler_back(controller: Controller) -> None:
    controller.apply()

    controller.rollback()

    assert controller.ops() == dict.fromkeys(NAMES)


def test_goal_that_is_gone_removes_the_policy(controller: Controller) -> None:
    controller.apply()
    text = (controller.root / "manifests" / "lab.yaml").read_text(encoding="utf-8")
    documents = [part for part in text.split("---\n") if "WorkloadGoal" not in part]
    (controller.root / "manifests" / "lab.yaml").write_text("---\n".join(documents), encoding="utf-8")

    assert controller.actions() == all_hosts("remove")
    assert controller.apply().exit_code is ExitCode.OK
    assert controller.ops() == dict.fromkeys(NAMES)


def test_stalling_policy_fails_on_the_canary_and_is_held_everywhere(controller: Controller) -> None:
    controller.apply()
    controller.hosts["lab-1"].behaviours = {"fair": Behaviour(ejected_after_ms=6000)}
    controller.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")

    applied = controller.apply()

    assert applied.exit_code is ExitCode.ROLLED_BACK
    assert "runnable task stall" in applied.hosts[0].detail
    assert [result.detail for result in applied.hosts[1:]] == ["not touched", "not touched"]
    assert controller.actions() == all_hosts("held")


def test_host_of_another_run_stops_this_one_before_it_changes_anything(controller: Controller) -> None:
    controller.apply()
    controller.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")
    last = controller.hosts["lab-3"]
    last.disk.last_token += 1
    last.lease = ("ann@desk", last.disk.last_token, last.clock.now_ms() + 60_000)

    with pytest.raises(LeaseHeldError, match="lab-3: the lease is held by ann@desk") as caught:
        controller.apply()

    assert caught.value.exit_code is ExitCode.LEASE_HELD
    assert {name: host.kernel.enable_seq for name, host in controller.hosts.items()} == dict.fromkeys(
        NAMES, 1
    )
    assert controller.hosts["lab-1"].lease is None


def test_unreachable_host_is_told_and_named_by_the_exit_code(controller: Controller) -> None:
    controller.apply()
    controller.hosts["lab-2"].connect_error = UnreachableError("lab-2: no answer")

    assert controller.actions()["lab-2"] == "unknown"
    with plan(controller.access()) as planned:
        assert planned.plan.exit_code(detailed=True) is ExitCode.UNREACHABLE


def test_limit_leaves_the_other_hosts_out(controller: Controller) -> None:
    assert controller.actions(limit="lab-2") == {"lab-2": "install-helper, attach"}


def test_source_that_no_longer_matches_its_lock_changes_nothing(controller: Controller) -> None:
    controller.edit("policies/fair/fair.bpf.c", "slice_us = 5000", "slice_us = 6000")

    with pytest.raises(BuildError, match="its lock says") as caught:
        controller.apply()

    assert "fleetsched lock fair" in caught.value.remedy
    assert controller.ops() == dict.fromkeys(NAMES)


def test_each_host_costs_one_connection_and_one_exec(controller: Controller) -> None:
    controller.apply()
    access = controller.access()

    with plan(access):
        pass

    assert sorted(access.transport.connects) == sorted(NAMES)
    assert len(access.transport.commands) == len(NAMES)


def test_unapproved_revision_is_refused_on_hosts_that_are_no_lab(controller: Controller) -> None:
    access = controller.access("dirty: not as committed: x")

    with pytest.raises(RefusedError, match="NOT APPROVED: dirty: not as committed: x"):
        check_lab(access, select(access.fleet, EVERY_HOST))


def test_lab_may_run_what_nobody_approved_when_asked(
    controller: Controller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    known_hosts = tmp_path / "fleetsched" / "lab" / "lab" / "known_hosts"
    known_hosts.parent.mkdir(parents=True)
    known_hosts.touch()
    (controller.root / "inventory" / "groups.yaml").write_text(
        "all:\n  vars:\n    ansible_host: 127.0.0.1\n"
        f"    ansible_ssh_common_args: -o UserKnownHostsFile={known_hosts}\n"
    )
    access = controller.access("dirty: not as committed: x")

    check_lab(access, select(access.fleet, EVERY_HOST))


TWO_GOALS = """
---
apiVersion: fleetsched/v1
kind: HostGroup
metadata: {name: rest}
spec: {hosts: lab-3}
---
apiVersion: fleetsched/v1
kind: WorkloadGoal
metadata: {name: a-second}
spec:
  hostGroup: rest
  policy: {name: fair}
  rollout: lab
  dependsOn: [lab-fairness]
"""


def with_two_goals(controller: Controller) -> None:
    controller.edit("manifests/lab.yaml", "  hosts: lab #", "  hosts: lab:!lab-3 #")
    file = controller.root / "manifests" / "second.yaml"
    file.write_text(TWO_GOALS.removeprefix("\n---\n"), encoding="utf-8")


def test_goal_comes_after_the_one_that_it_depends_on(controller: Controller) -> None:
    with_two_goals(controller)
    assert [result.host for result in controller.apply().hosts] == ["lab-1", "lab-2", "lab-3"]
    assert set(controller.ops().values()) == {"fair"}


def test_goal_waits_for_one_that_cannot_be_done(controller: Controller) -> None:
    with_two_goals(controller)
    del controller.hosts["lab-2"]  # out of reach
    applied = controller.apply()
    assert applied.hosts[-1] == HostResult("lab-3", "a-second", Phase.WAITING, "waits for goal lab-fairness")
    assert controller.ops()["lab-3"] is None


def test_released_host_runs_the_kernels_scheduler_and_has_nothing_recorded(controller: Controller) -> None:
    controller.apply()
    controller.edit("manifests/lab.yaml", "  hosts: lab #", "  hosts: lab:!lab-3\n  prune: false #")

    with plan_release(controller.access(), "lab-3") as planned:
        applied = release(
            controller.access(), planned, journals=controller.root.parent / "runs", report=lambda event: None
        )

    assert applied.exit_code is ExitCode.OK
    assert controller.ops() == {"lab-1": "fair", "lab-2": "fair", "lab-3": None}
    with plan_release(controller.access(), "lab-3") as planned:
        assert not planned.host.changes


def test_claimed_host_is_not_released(controller: Controller) -> None:
    with pytest.raises(RefusedError) as caught, plan_release(controller.access(), "lab-1"):
        pass
    assert str(caught.value) == (
        "goal lab-fairness claims lab-1, and the next apply would take it back\n"
        "  take the host out of group lab or out of the inventory first"
    )


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("gone", Host("gone", "gone")),
        ("ops@gone.example.test:2222", Host("gone.example.test", "gone.example.test", 2222, "ops")),
    ],
)
def test_host_that_is_gone_from_the_inventory_is_an_ssh_destination(
    controller: Controller, name: str, host: Host
) -> None:
    assert host_to_release(controller.access(), name) == host


def test_no_option_of_ssh_is_a_host(controller: Controller) -> None:
    with pytest.raises(InputError, match="is no host"):
        host_to_release(controller.access(), "-oProxyCommand=x")


def test_diff_shows_source_and_headers_that_changed(controller: Controller, own_git: None) -> None:
    root = controller.root
    git(root, "add", "-A")
    git(root, "commit", "-m", "first")
    commit = git(root, "rev-parse", "HEAD")
    controller.apply()
    controller.edit("policies/fair/fair.bpf.c", " * fair: weighted", " * fair: changed")
    hashes = load_fleet(root).locks["fair"].hashes
    controller.edit("policies/fair/policy.lock.yaml", hashes["bpf/include/fleetsched/policy.bpf.h"], "f" * 64)
    recorded = Record(assignment("fair"), "run", commit, "", "", "")
    host = HostPlan("lab-1", Desired(Claim.GOAL, "g", "lab", assignment("fair", "b")), Action.REPLACE)
    (diff,) = policy_diffs(root, load_fleet(root), Plan("x", (replace(host, recorded=recorded),)))
    assert "header bpf/include/fleetsched/policy.bpf.h changed" in diff.lines
    assert "+ * fair: changed virtual time over one queue" in diff.lines
    unknown = replace(recorded, revision="d" * 40)
    (diff,) = policy_diffs(root, load_fleet(root), Plan("x", (replace(host, recorded=unknown),)))
    assert diff.lines == ("revision dddddddddddd is not in this repository",)
