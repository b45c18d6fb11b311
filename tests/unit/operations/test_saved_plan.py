# SPDX-License-Identifier: Apache-2.0
"""A saved plan is carried out only while revision, inventory and every host's state are what they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.errors import InputError, RefusedError, UnreachableError
from fleetsched.fleetrepo.revision import Revision
from fleetsched.operations.plan import plan, plan_these
from fleetsched.operations.saved import SavedPlan, planned_hosts, read_plan, refuse_moved, save_plan
from tests.unit.operations.controller import Controller

AGAIN = "\n  make a new one with `fleetsched plan --out FILE`, and look at it"


def saved_by(controller: Controller) -> SavedPlan:
    access, file = controller.access(), controller.root.parent / "saved.json"
    with plan(access) as planned:
        save_plan(file, planned.plan, planned.observed, access.fleet.inventory)
    return read_plan(file)


def check_saved(controller: Controller, saved: SavedPlan, revision: str = "c" * 40) -> list[str]:
    """What `apply FILE` does before it changes anything."""
    access = replace(controller.access(), revision=Revision(revision))
    with plan_these(access, planned_hosts(saved, access)) as planned:
        refuse_moved(saved, planned.plan, planned.observed)
        return [f"{host.host}: {host.words}" for host in planned.plan.hosts]


def test_plan_that_still_holds_is_the_plan_made_now(controller: Controller) -> None:
    assert check_saved(controller, saved_by(controller)) == [
        "lab-1: install-helper, attach",
        "lab-2: install-helper, attach",
        "lab-3: install-helper, attach",
    ]


def test_it_names_no_address(controller: Controller) -> None:
    controller.edit("inventory/lab.yaml", "lab-1:\n", "lab-1: {ansible_host: 192.0.2.7, ansible_user: ann}\n")
    saved_by(controller)
    text = (controller.root.parent / "saved.json").read_text()
    assert ("192.0.2.7" in text, "ann" in text, "lab-1" in text) == (False, False, True)


def other_address(controller: Controller) -> None:
    controller.edit("inventory/lab.yaml", "lab-1:\n", "lab-1: {ansible_host: 192.0.2.7}\n")


def host_gone(controller: Controller) -> None:
    controller.edit("inventory/lab.yaml", "        lab-3:\n", "")


def other_parameters(controller: Controller) -> None:
    controller.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")


def foreign(controller: Controller) -> None:
    controller.hosts["lab-2"].installed = True
    controller.hosts["lab-2"].attach_foreign("scx_rusty")


def out_of_reach(controller: Controller) -> None:
    controller.hosts["lab-2"].connect_error = UnreachableError("lab-2: no answer")


@pytest.mark.parametrize(
    ("move_on", "said"),
    [
        (other_address, "the inventory has changed"),
        (host_gone, "the inventory has changed"),
        (
            other_parameters,
            "lab-1: desired has changed; lab-2: desired has changed; lab-3: desired has changed",
        ),
        (
            foreign,
            "lab-2: action install-helper, attach -> adopt, foreign nothing -> scx_rusty",
        ),
        (
            out_of_reach,
            "lab-2: action install-helper, attach -> unknown, kernel 6.18.15+deb13-cloud-amd64 -> nothing",
        ),
    ],
)
def test_plan_of_what_has_moved_on_is_refused(
    controller: Controller, move_on: Callable[[Controller], None], said: str
) -> None:
    saved = saved_by(controller)
    move_on(controller)
    with pytest.raises(RefusedError) as caught:
        check_saved(controller, saved)
    assert str(caught.value) == f"refused: the saved plan no longer holds: {said}{AGAIN}"


def test_plan_that_another_run_carried_out_is_refused(controller: Controller) -> None:
    saved = saved_by(controller)
    controller.apply()
    with pytest.raises(
        RefusedError, match=r"lab-1: action install-helper, attach -> none, recorded nothing -> "
    ):
        check_saved(controller, saved)


def test_plan_of_another_revision_is_refused_before_any_host_is_asked(controller: Controller) -> None:
    saved = saved_by(controller)
    controller.hosts.clear()
    with pytest.raises(RefusedError, match="it is of revision cccccccccccc, and here is dddddddddddd"):
        check_saved(controller, saved, "d" * 40)


@pytest.mark.parametrize("revision", [Revision("c" * 40, ("dirty: x",)), Revision(None, ("no-commit: x",))])
def test_plan_of_what_is_not_committed_is_not_saved(
    controller: Controller, revision: Revision, tmp_path: Path
) -> None:
    access = replace(controller.access(), revision=revision)
    with plan(access) as planned, pytest.raises(RefusedError, match="not committed cannot be saved"):
        save_plan(tmp_path / "saved", planned.plan, planned.observed, access.fleet.inventory)
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no saved plan: Input data was truncated"),
        (
            '{"format":"fleetsched-saved-plan","version":9,"made_at":"","revision":"","inventory":"","hosts":{}}',
            "is no fleetsched-saved-plan of version 1",
        ),
    ],
)
def test_file_that_is_none_is_told(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "saved.json"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_plan(file)
    assert caught.value.message == f"{file} {message}"
