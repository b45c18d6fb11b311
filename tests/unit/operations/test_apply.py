# SPDX-License-Identifier: Apache-2.0
"""plan, apply, rollback and retry over simulated hosts, from a real fleet repository with real objects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleetsched.errors import BuildError, ExitCode, LeaseHeldError, RefusedError, UnreachableError
from fleetsched.helper.simulated import Behaviour
from fleetsched.helper.simulated.scenario import EXIT_SYSRQ
from fleetsched.model.rollout import Phase
from fleetsched.operations.apply import apply, check_lab
from fleetsched.operations.plan import EVERY_HOST, Selection, plan, select
from tests.unit.operations.controller import NAMES, Controller, all_hosts


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


def test_hosts_that_another_run_changed_since_the_plan_are_not_touched(controller: Controller) -> None:
    controller.apply()
    controller.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")
    access = controller.access()
    with plan(access) as planned:
        controller.apply()  # somebody else's

        with pytest.raises(RefusedError) as caught:
            apply(access, planned, journals=controller.root / "runs", report=lambda event: None)

    first = (
        r"refused: another run has come before this one: lab-1: last known good (fair@\w+.*) -> (fair@\w+.*);"
    )
    assert re.match(first, caught.value.message), caught.value.message
    assert caught.value.remedy == "nothing was changed; plan again"
    assert [host.kernel.enable_seq for host in controller.hosts.values()] == [2] * len(NAMES)
    assert [host.lease for host in controller.hosts.values()] == [None] * len(NAMES)


def test_first_run_that_another_first_run_has_overtaken_changes_nothing(controller: Controller) -> None:
    access = controller.access()
    with plan(access) as planned:
        controller.apply(Selection("lab-2"))  # somebody else's, while this one's plan is being read

        with pytest.raises(RefusedError) as caught:
            apply(access, planned, journals=controller.root / "runs", report=lambda event: None)

    assert caught.value.message == (
        "refused: another run has come before this one: lab-2: a helper was installed"
    )
    assert controller.ops() == {"lab-1": None, "lab-2": "fair", "lab-3": None}
    assert not controller.hosts["lab-1"].installed


def test_unreachable_host_is_told_and_named_by_the_exit_code(controller: Controller) -> None:
    controller.apply()
    controller.hosts["lab-2"].connect_error = UnreachableError("lab-2: no answer")

    assert controller.actions()["lab-2"] == "unknown"
    with plan(controller.access()) as planned:
        assert planned.plan.exit_code(detailed=True) is ExitCode.UNREACHABLE


def test_shares_of_the_failure_budget_count_the_hosts_that_have_nothing_to_do(controller: Controller) -> None:
    controller.edit("manifests/lab.yaml", "unreachable: 0}", "unreachable: 40%}")
    controller.apply()
    controller.hosts["lab-1"].connect_error = UnreachableError("lab-1: no answer")
    controller.hosts["lab-3"].eject(EXIT_SYSRQ)

    one_of_two = controller.apply(Selection("lab-1,lab-3"))
    assert one_of_two.hosts[1].phase is Phase.WAITING
    assert controller.ops()["lab-3"] is None

    one_of_three = controller.apply()
    assert one_of_three.exit_code is ExitCode.UNREACHABLE
    assert {result.host: result.phase for result in one_of_three.hosts} == {
        "lab-1": Phase.UNREACHABLE,
        "lab-3": Phase.CONFIRMED,
    }


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


@pytest.fixture
def lab(controller: Controller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Controller:
    """All hosts on loopback, with a known_hosts file as `fleetsched lab` writes it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    known_hosts = tmp_path / "fleetsched" / "lab" / "lab" / "known_hosts"
    known_hosts.parent.mkdir(parents=True)
    known_hosts.touch()
    (controller.root / "inventory" / "groups.yaml").write_text(
        "all:\n  vars:\n    ansible_host: 127.0.0.1\n"
        f"    ansible_ssh_common_args: -o UserKnownHostsFile={known_hosts}\n"
    )
    return controller


def test_lab_may_run_what_nobody_approved_when_asked(lab: Controller) -> None:
    access = lab.access("dirty: not as committed: x")

    check_lab(access, select(access.fleet, EVERY_HOST))


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param("ansible_connection: local", id="the controller itself"),
        pytest.param("ansible_host: 192.0.2.7", id="another machine"),
        pytest.param("ansible_ssh_extra_args: -o ProxyJump=192.0.2.7", id="loopback of another machine"),
        pytest.param("ansible_ssh_extra_args: -o GlobalKnownHostsFile=/etc/keys", id="keys of other files"),
        pytest.param("ansible_ssh_extra_args: -o HostKeyAlias=web-1", id="keys of other names"),
    ],
)
def test_no_lab_is_what_a_host_key_of_a_lab_does_not_vouch_for(lab: Controller, variables: str) -> None:
    lab.edit("inventory/lab.yaml", "lab-2:", f"lab-2: {{{variables}}}")
    access = lab.access("dirty: not as committed: x")

    with pytest.raises(RefusedError, match="NOT APPROVED: dirty: not as committed: x") as caught:
        check_lab(access, select(access.fleet, EVERY_HOST))

    assert caught.value.remedy == (
        "--unreviewed works only for a lab: SSH to loopback addresses, known_hosts of `lab up`"
    )
