# SPDX-License-Identifier: Apache-2.0
"""`fleetsched helper status`, `install` and `upgrade` over simulated hosts: canary first, and what stops."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import fleetsched
from fleetsched.errors import ExitCode, LeaseHeldError, UnreachableError
from fleetsched.helper.simulated import SimulatedHost
from fleetsched.model.controller import Controller as Settings
from fleetsched.model.controller import Sign
from fleetsched.model.plan import HostPlan
from fleetsched.model.rollout import Phase
from fleetsched.model.run import Applied
from fleetsched.operations.fleet import FleetAccess
from fleetsched.operations.helpers import helpers, install_helpers, plan_install, plan_upgrade, upgrade
from fleetsched.operations.plan import Planned, plan
from fleetsched.rollout.session import HelperFiles
from fleetsched.views.helper import helpers_text, install_text, upgrade_text
from fleetsched.views.plan import plan_text
from fleetsched.views.run import verdict
from tests.conformance.signing import GROUP, allowed_signers, key
from tests.unit.operations.controller import NAMES, Controller

NEW = HelperFiles(
    b"\x7fELF\x02\x01\x01" + bytes(11) + (62).to_bytes(2, "little") + b"the new helper", b"unit"
)
DIGEST = hashlib.sha256(NEW.binary).hexdigest()
VERSION = fleetsched.__version__


@contextmanager
def planned(
    controller: Controller, signing_key: Path | None = None
) -> Iterator[tuple[FleetAccess, Planned, tuple[HostPlan, ...]]]:
    settings = Settings(sign=Sign(str(signing_key)) if signing_key else Sign())
    access = replace(controller.access(), helper_files=lambda arch: NEW, controller=settings)
    with plan(access) as made:
        yield access, made, plan_upgrade(made, access)


def upgraded(controller: Controller, signing_key: Path | None = None) -> Applied:
    with planned(controller, signing_key) as (access, made, hosts):
        journals = controller.root.parent / "runs"
        return upgrade(access, made, hosts, journals=journals, report=lambda event: None)


def digests(controller: Controller) -> list[str]:
    return [host.sha256 for host in controller.hosts.values()]


def proposed(controller: Controller) -> str:
    with planned(controller) as (_, _, hosts):
        return upgrade_text(hosts)


@pytest.fixture
def managed(controller: Controller) -> Controller:
    """Hosts whose helpers are of before, with their policy."""
    controller.apply()
    for host in controller.hosts.values():
        host.version = "0.0.9"
    return controller


def test_all_hosts_get_the_helper_and_run_their_policy_again(managed: Controller) -> None:
    assert proposed(managed) == (
        "~ lab-1: helper 0.0.9 -> helper 0.1.0 (older)\n"
        "~ lab-2: helper 0.0.9 -> helper 0.1.0 (older)\n"
        "~ lab-3: helper 0.0.9 -> helper 0.1.0 (older)\n"
        "\n"
        "Helpers to upgrade: 3 hosts."
    )
    applied = upgraded(managed)
    runs = str(managed.hosts["lab-1"].attached.assignment) if managed.hosts["lab-1"].attached else ""
    assert (applied.exit_code, [(result.phase, result.detail) for result in applied.hosts]) == (
        ExitCode.OK,
        [(Phase.CONFIRMED, f"helper {VERSION} ({DIGEST[:8]}), runs {runs} as before")] * 3,
    )
    assert digests(managed) == [DIGEST] * 3
    assert managed.ops() == dict.fromkeys(NAMES, "fair")
    assert [host.lease for host in managed.hosts.values()] == [None] * 3
    assert proposed(managed) == "No changes: no host has another helper than this fleetsched's own."


def test_the_canary_is_first_and_its_failure_stops_the_run(managed: Controller) -> None:
    managed.hosts["lab-1"].broken_helpers = {DIGEST: "it did not answer in time"}
    before = digests(managed)
    applied = upgraded(managed)
    assert applied.exit_code is ExitCode.ROLLED_BACK
    assert digests(managed) == before
    assert managed.ops() == dict.fromkeys(NAMES, "fair")
    first, second, third = applied.hosts
    assert first.detail.startswith(
        f"to 0.1.0, {DIGEST[:12]}: it did not answer in time; 0.0.9 is back; runs fair"
    )
    assert first.detail.endswith("as before")
    assert (second.detail, third.detail) == ("not touched", "not touched")


def test_share_that_may_be_out_of_reach_is_of_the_whole_group(managed: Controller) -> None:
    managed.edit("manifests/lab.yaml", "unreachable: 0}", "unreachable: 40%}")
    managed.hosts["lab-2"].version = VERSION
    managed.hosts["lab-2"].helper_files = (DIGEST, "unit")
    managed.hosts["lab-3"].connect_error = UnreachableError("lab-3: no answer")
    applied = upgraded(managed)
    assert [(result.host, result.phase) for result in applied.hosts] == [
        ("lab-1", Phase.CONFIRMED),
        ("lab-3", Phase.UNREACHABLE),
    ]


def test_a_failure_after_the_canary_leaves_what_is_upgraded(managed: Controller) -> None:
    managed.hosts["lab-3"].broken_helpers = {DIGEST: "it did not answer in time"}
    applied = upgraded(managed)
    assert applied.exit_code is ExitCode.NOT_ROLLED_BACK
    assert verdict(applied) == "FAILED and stopped, as the strategy says: what is confirmed stays"
    assert digests(managed)[0] == DIGEST
    assert managed.hosts["lab-3"].version == "0.0.9"


def test_a_journal_tells_the_run(managed: Controller) -> None:
    applied = upgraded(managed)
    events = [json.loads(line) for line in applied.journal.read_text(encoding="utf-8").splitlines()]
    assert [event["event"] for event in events] == [
        "helper-run",
        *["lease"] * 3,
        "goal",
        *["step", "host", "step", "host", "host"],
        "end",
    ]
    assert (events[0]["version"], events[-1]["exit_code"]) == (VERSION, 0)


def test_never_during_a_trial(managed: Controller) -> None:
    managed.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")
    host = managed.hosts["lab-2"]
    assert host.attached
    _begin_trial(managed, "lab-2")
    text = proposed(managed)
    assert "    cannot: a trial of fair" in text
    assert "    do: wait until it has ended" in text
    before = digests(managed)
    assert upgraded(managed).exit_code is ExitCode.ROLLED_BACK
    assert digests(managed) == before


def test_helpers_of_protocol_1_need_an_administrator(managed: Controller) -> None:
    managed.hosts["lab-1"].protocol = 1
    assert (
        "    cannot: helper 0.0.9 is too old to be upgraded by itself\n"
        "    do: as an administrator there: rm /usr/libexec/fleetsched-host; the next `apply` or `bootstrap`"
        " installs a new one"
    ) in " ".join(proposed(managed).split("\n      "))


def test_hosts_that_want_signatures_get_them_with_the_controllers_key(managed: Controller) -> None:
    for host in managed.hosts.values():
        host.allowed_signers, host.group = allowed_signers(), GROUP
    assert (
        "    cannot: it takes only signed helpers, and there is no key to sign with\n"
        "    do: name a key (`sign: {key: ...}` in the controller's file)"
    ) in proposed(managed)
    assert upgraded(managed, key("unknown")).exit_code is ExitCode.ROLLED_BACK
    assert digests(managed) != [DIGEST] * 3
    assert upgraded(managed, key("known")).exit_code is ExitCode.OK
    assert digests(managed) == [DIGEST] * 3


def test_newer_helpers_and_hosts_without_one_are_left_alone(managed: Controller) -> None:
    managed.hosts["lab-1"].version = "0.10.0"
    managed.hosts["lab-2"].installed = False
    assert proposed(managed) == (
        "~ lab-3: helper 0.0.9 -> helper 0.1.0 (older)\n\nHelpers to upgrade: 1 host."
    )


def test_a_host_that_does_not_answer_is_shown_and_counts(managed: Controller) -> None:
    managed.hosts["lab-3"].connect_error = UnreachableError("lab-3: no route to host")
    assert "? lab-3: unknown: lab-3: no route to host" in proposed(managed)
    assert upgraded(managed).exit_code is ExitCode.UNREACHABLE


def test_another_run_keeps_its_hosts(managed: Controller) -> None:
    host = managed.hosts["lab-2"]
    host.disk.last_token += 1
    host.lease = ("ann@desk", host.disk.last_token, host.clock.now_ms() + 60_000)
    before = digests(managed)
    with pytest.raises(LeaseHeldError, match="lab-2: the lease is held by ann@desk"):
        upgraded(managed)
    assert digests(managed) == before


def test_status_names_every_helper(managed: Controller) -> None:
    managed.hosts["lab-1"].version = VERSION
    managed.hosts["lab-2"].installed = False
    managed.hosts["lab-3"].connect_error = UnreachableError("lab-3: no route to host")
    other = managed.hosts["lab-1"].sha256
    with planned(managed) as (access, made, _):
        text = helpers_text(helpers(made.observed, access.helper_files))
    assert text == (
        f"lab-1: helper 0.1.0 ({other[:8]}), protocol 2, another build of the same version:\n"
        "    `fleetsched helper upgrade`\n"
        "lab-2: no helper: `fleetsched helper install`\n"
        "lab-3: unknown: lab-3: no route to host"
    )


def test_plan_notes_an_older_helper_and_changes_nothing_for_it(managed: Controller) -> None:
    with planned(managed) as (_, made, _):
        assert not made.plan.has_changes
        text = plan_text(made.plan, made.fleet)
    note = "note: helper 0.0.9 is older than this fleetsched, 0.1.0: `fleetsched helper upgrade`"
    assert " ".join(text.split()).count(note) == 3


def _begin_trial(controller: Controller, name: str) -> None:
    access = controller.access()
    with plan(access) as made:
        helper = made.reached.sessions[name].helper()
        good = made.observed[name].status
        assert good
        assert good.last_known_good
        helper.try_(good.last_known_good.assignment, deadline_s=600, run="r", revision="c")


def installed(controller: Controller) -> tuple[str, Applied]:
    access = controller.access()
    with plan(access) as made:
        hosts = plan_install(made)
        journals = controller.root.parent / "runs"
        applied = install_helpers(access, made, hosts, journals=journals, report=lambda event: None)
    return install_text(hosts), applied


def test_hosts_whose_goal_has_no_policy_get_a_helper_and_run_what_they_ran(controller: Controller) -> None:
    controller.edit("manifests/lab.yaml", "  policy:\n    name: fair\n", "")
    controller.edit("manifests/lab.yaml", "    parameters: {slice_us: 5000}", "   ")
    assert not any(host.installed for host in controller.hosts.values())
    text, applied = installed(controller)
    assert text == (
        "+ lab-1: no helper -> helper 0.1.0\n"
        "+ lab-2: no helper -> helper 0.1.0\n"
        "+ lab-3: no helper -> helper 0.1.0\n"
        "\n"
        "Helpers to install: 3 hosts."
    )
    digest = controller.hosts["lab-1"].sha256[:8]
    assert [(each.phase, each.detail) for each in applied.hosts] == [
        (Phase.CONFIRMED, f"helper 0.1.0 ({digest}), runs the kernel's scheduler")
    ] * 3
    assert applied.exit_code is ExitCode.OK
    assert controller.ops() == dict.fromkeys(NAMES)
    assert installed(controller)[0] == "No changes: every host of a group has a helper."


def test_a_host_that_cannot_use_a_helper_gets_none_and_stops_the_rest(controller: Controller) -> None:
    controller.hosts["lab-1"] = SimulatedHost("lab-1", installed=False, sched_ext=False)
    text, applied = installed(controller)
    assert "    cannot: kernel 6.18" in text
    assert "has no sched_ext" in text
    assert "Helpers to install: 2 hosts." in text
    assert applied.exit_code is ExitCode.ROLLED_BACK
    assert not any(host.installed for host in controller.hosts.values())


def test_hosts_of_no_group_get_no_helper(controller: Controller) -> None:
    controller.edit("manifests/lab.yaml", "  hosts: lab #", "  hosts: lab-2 #")
    text, _ = installed(controller)
    assert "Helpers to install: 1 host." in text
    assert [name for name, host in controller.hosts.items() if host.installed] == ["lab-2"]
