# SPDX-License-Identifier: Apache-2.0
"""Letting a host go."""

from __future__ import annotations

import pytest

from fleetsched.errors import ExitCode, InputError, LeaseHeldError, RefusedError
from fleetsched.model.inventory import Host
from fleetsched.model.run import Applied
from fleetsched.operations.release import host_to_release, plan_release, release
from tests.unit.operations.controller import Controller


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


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "a@-b", "", "gone:0", "gone:65536", "gone:22/x", "a b"])
def test_what_is_no_destination_is_no_host(controller: Controller, name: str) -> None:
    with pytest.raises(InputError, match="is no host"):
        host_to_release(controller.access(), name)


def let_go(controller: Controller) -> Applied:
    with plan_release(controller.access(), "lab-3") as planned:
        journals = controller.root.parent / "runs"
        return release(controller.access(), planned, journals=journals, report=lambda event: None)


def test_host_of_another_run_is_not_released(controller: Controller) -> None:
    controller.apply()
    controller.edit("manifests/lab.yaml", "  hosts: lab #", "  hosts: lab:!lab-3 #")
    host = controller.hosts["lab-3"]
    host.disk.last_token += 1
    host.lease = ("ann@desk", host.disk.last_token, host.clock.now_ms() + 60_000)

    with pytest.raises(LeaseHeldError, match="lab-3: the lease is held by ann@desk"):
        let_go(controller)

    assert controller.ops()["lab-3"] == "fair"


def test_released_host_keeps_the_scheduler_that_somebody_else_started(controller: Controller) -> None:
    controller.apply()
    controller.edit("manifests/lab.yaml", "  hosts: lab #", "  hosts: lab:!lab-3 #")
    controller.hosts["lab-3"].attach_foreign("scx_rusty")

    applied = let_go(controller)

    assert [result.detail for result in applied.hosts] == ["runs scx_rusty"]
    assert controller.ops()["lab-3"] == "scx_rusty"
    assert controller.hosts["lab-3"].disk.last_known_good is None
