# SPDX-License-Identifier: Apache-2.0
"""The C helper when a policy fails unseen, a failure cannot be written down, or what runs could not return.

The helper's state machine, socket and disk are real, as a process of this machine; the kernel is a folder of
files (no_kernel/), so that each moment can be had exactly. As root, without sched_ext or a virtual machine.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetsched.errors import HelperError
from tests.real.no_kernel import HostOfFiles, attempt, brief, build_over_files, policy, stage

FAILED = {"running": None, "good": None, "previous": None, "voided": "good", "held": ["good"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def binary(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return build_over_files(tmp_path_factory.mktemp("build"), folder / "now")


@pytest.fixture
def host(folder: Path, binary: bytes) -> Iterator[HostOfFiles]:
    """A host that runs what was confirmed: the policy `good`."""
    (folder / "now").mkdir()
    host = HostOfFiles(folder / "now", binary)
    try:
        host.start()
        host.confirm("good")
        yield host
    finally:
        host.end(signal.SIGKILL)
        (folder / "now").rename(folder / f"before-{len(list(folder.iterdir()))}")


# --- what was ejected before anybody looked -----------------------------------------------------------------


def test_a_try_first_learns_that_the_last_known_good_was_ejected(host: HostOfFiles) -> None:
    with host.client() as client:
        stage(client, "new")
        host.eject("good")
        client.revert(attempt(client, "new"), "not wanted")
    assert brief(host.status()) == {**FAILED, "held": ["good", "new"]}
    assert host.events()[-7:] == ["ejected", "voided", "held", "try", "attached", "revert", "held"]


def test_what_was_ejected_is_not_tried_again(host: HostOfFiles) -> None:
    host.eject("good")
    with host.client() as client, pytest.raises(HelperError) as refused:
        attempt(client, "good")
    assert refused.value.code == "held"


def test_what_was_ejected_while_the_next_was_loaded_does_not_come_back(host: HostOfFiles) -> None:
    with host.client() as client:
        host.eject_unseen("good")
        trial = attempt(client, "new")
        assert brief(client.status()) == {**FAILED, "running": "new"}
        client.revert(trial, "not wanted")
    assert brief(host.status()) == {**FAILED, "held": ["good", "new"]}
    assert host.events()[-7:] == ["try", "attached", "ejected", "voided", "held", "revert", "held"]


def test_what_was_ejected_while_it_was_loaded_once_more_is_not_on_trial(host: HostOfFiles) -> None:
    host.eject_unseen("good")
    with host.client() as client:
        with pytest.raises(HelperError) as refused:
            attempt(client, "good")
        assert refused.value.code == "held"
        status = client.status()
    assert brief(status) == FAILED
    assert status.trial is None
    assert status.last_trial is not None
    assert status.last_trial.outcome == "ejected"
    assert host.events()[-6:] == ["try", "attached", "ejected", "held", "voided", "held"]


def test_nor_does_it_come_back_when_the_next_does_not_attach(host: HostOfFiles) -> None:
    host.eject_unseen("good")
    with host.client() as client, pytest.raises(HelperError) as refused:
        attempt(client, "broken")
    assert refused.value.code == "attach-failed"
    assert brief(host.status()) == {**FAILED, "held": ["broken", "good"]}


def test_what_was_ejected_before_the_next_was_confirmed_is_no_previous_one(host: HostOfFiles) -> None:
    host.eject_unseen("good")
    host.confirm("new")
    assert brief(host.status()) == {**FAILED, "running": "new", "good": "new", "voided": None}


def test_what_was_ejected_just_before_the_service_stops_stays_off(host: HostOfFiles) -> None:
    host.eject_unseen("good")
    host.end()
    host.start()
    assert brief(host.status()) == FAILED
    assert host.events()[-4:] == ["ejected", "voided", "held", "service-start"]


def test_a_trial_that_was_ejected_just_before_the_service_stops_is_held(host: HostOfFiles) -> None:
    with host.client() as client:
        attempt(client, "new")
    host.eject_unseen("new")
    host.end()
    host.start()
    assert brief(host.status()) == {
        **FAILED,
        "running": "good",
        "good": "good",
        "voided": None,
        "held": ["new"],
    }
    assert host.events()[-4:] == ["ejected", "held", "service-start", "reattached"]


def test_what_was_ejected_just_before_a_stop_is_voided_and_no_previous_one(host: HostOfFiles) -> None:
    host.confirm("newer")
    host.eject_unseen("newer")
    with host.client() as client:
        client.stop("enough")
    assert brief(host.status()) == {**FAILED, "previous": "good", "voided": "newer", "held": ["newer"]}


def test_a_healing_trial_that_was_ejected_just_before_its_revert_voids(host: HostOfFiles) -> None:
    with host.client() as client:
        trial = attempt(client, "good")
        host.eject_unseen("good")
        status = client.revert(trial, "interrupted", hold=False)
    assert brief(status) == FAILED
    assert status.last_trial is not None
    assert status.last_trial.outcome == "ejected"


def test_a_policy_that_did_not_fail_comes_back_as_before(host: HostOfFiles) -> None:
    with host.client() as client:
        client.revert(attempt(client, "new"), "not wanted", hold=False)
    host.end()
    host.start()
    assert brief(host.status()) == {**FAILED, "running": "good", "good": "good", "voided": None, "held": []}


def test_an_upgrade_does_not_bring_back_what_was_ejected_just_before(host: HostOfFiles) -> None:
    host.eject_unseen("good")
    with host.client() as client:
        client.upgrade(host.binary + b"\0", version="0.1.0")
    host.wait(lambda: host.events()[-1] == "upgraded", "the upgrade has ended")
    assert brief(host.status()) == FAILED


def test_a_policy_that_writes_to_its_ring_and_goes_on_is_looked_for(host: HostOfFiles) -> None:
    os.mkfifo(host.folder / "ring")
    host.confirm("chatty")
    with (host.folder / "ring").open("wb", buffering=0) as ring:
        ring.write(b"x")
        host.wait(lambda: host.status().running, "it goes on")
        host.eject("chatty")
        # Not by `status`, which looks itself.
        host.wait(lambda: "voided" in host.events(), "the ejection is seen")


# --- what failed while the disk was full -------------------------------------------------------------------


def test_what_failed_on_a_full_disk_is_written_down_when_there_is_room(host: HostOfFiles) -> None:
    host.break_disk()
    host.eject("good")
    host.wait(lambda: brief(host.status()) == FAILED, "the ejection is seen")
    assert "voided" not in host.recorded()
    host.mend_disk()
    host.wait(lambda: "voided" in host.recorded(), "it is on disk, with nobody asking")
    host.end(signal.SIGKILL)
    host.start()
    assert brief(host.status()) == FAILED


def test_a_trial_that_ended_on_a_full_disk_is_held_when_there_is_room(host: HostOfFiles) -> None:
    with host.client() as client:
        trial = attempt(client, "new")
        host.break_disk()
        client.revert(trial, "not wanted")
    host.mend_disk()
    host.wait(lambda: "held" in host.recorded(), "it is on disk, with nobody asking")
    host.end(signal.SIGKILL)
    host.start()
    assert brief(host.status()) == {
        **FAILED,
        "running": "good",
        "good": "good",
        "voided": None,
        "held": ["new"],
    }


def test_a_hold_is_not_released_while_that_cannot_be_written_down(host: HostOfFiles) -> None:
    with host.client() as client:
        client.revert(attempt(client, "new"), "not wanted")
        host.break_disk()
        with pytest.raises(HelperError) as refused:
            client.release_held(policy("new"))
    assert refused.value.code == "state-unwritable"
    assert brief(host.status())["held"] == ["new"]


# --- what could not come back after an upgrade -------------------------------------------------------------


def lose_cpu(host: HostOfFiles) -> str:
    host.write("online", "0")
    return "it was confirmed with the CPUs 0-1, these are 0"


def switch_off(host: HostOfFiles) -> str:
    host.write("etc/off", "")
    return f"switched off by {host.folder}/etc/off"


def enable_other_loader(host: HostOfFiles) -> str:
    host.write("problem", "scx.service, another loader of schedulers, is enabled or runs")
    return "scx.service, another loader of schedulers, is enabled or runs"


def damage_object(host: HostOfFiles) -> str:
    digest = policy("good").digest
    host.write(f"state/objects/{digest}", "something else")
    return f"the object {digest[:12]} was damaged on disk and is dropped"


@pytest.mark.parametrize("act", [lose_cpu, switch_off, enable_other_loader, damage_object])
def test_an_upgrade_that_would_take_a_healthy_policy_off_is_refused(
    host: HostOfFiles, act: Callable[[HostOfFiles], str]
) -> None:
    why = act(host)
    with host.client() as client:
        with pytest.raises(HelperError) as refused:
            client.upgrade(host.binary + b"\0", version="0.1.0")
        running = client.status().running
    assert refused.value.code == "stays-off"
    assert str(refused.value) == (
        f"here: what runs on this host would not come back after the upgrade: {why}\n"
        "  put that right; or restart fleetsched-host there and apply, which confirms it as the host is now"
    )
    assert running is not None


def test_a_host_whose_policy_is_off_already_is_upgraded_whatever_it_is_like(host: HostOfFiles) -> None:
    lose_cpu(host)
    host.end()
    host.start()
    assert brief(host.status()) == {**FAILED, "good": "good", "voided": None, "held": []}
    with host.client() as client:
        client.upgrade(host.binary + b"\0", version="0.1.0")
    host.wait(lambda: host.events()[-1] == "upgraded", "the upgrade has ended")


def test_a_healthy_policy_runs_again_after_an_upgrade(host: HostOfFiles) -> None:
    with host.client() as client:
        client.upgrade(host.binary + b"\0", version="0.1.0")
    host.wait(lambda: host.events()[-1] == "upgraded", "the upgrade has ended")
    assert host.status().running is not None
