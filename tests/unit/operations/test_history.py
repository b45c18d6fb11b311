# SPDX-License-Identifier: Apache-2.0
"""What hosts remember of themselves."""

from __future__ import annotations

from fleetsched.errors import UnreachableError
from fleetsched.operations.history import Remembered, history
from fleetsched.operations.plan import Selection
from tests.unit.operations.controller import Controller


def test_each_host_tells_its_own_and_one_that_cannot_be_asked_says_why(controller: Controller) -> None:
    controller.apply()
    controller.hosts["lab-2"].connect_error = UnreachableError("lab-2: no answer")
    found = history(controller.access())
    assert list(found) == ["lab-1", "lab-2", "lab-3"]
    assert [each.event for each in found["lab-1"].entries][-3:] == ["try", "attached", "confirm"]
    assert found["lab-2"] == Remembered(error="lab-2: no answer")
    assert found["lab-3"].entries[-1].event == "confirm"


def test_the_newest_entries_of_the_selected_hosts_are_given(controller: Controller) -> None:
    controller.apply()
    found = history(controller.access(), Selection(limit="lab-3"), most=1)
    assert {name: [each.event for each in host.entries] for name, host in found.items()} == {
        "lab-3": ["confirm"]
    }


def test_a_host_without_a_helper_says_so(controller: Controller) -> None:
    assert all("helper" in host.error for host in history(controller.access()).values())
