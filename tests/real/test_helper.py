# SPDX-License-Identifier: Apache-2.0
"""The C helper on a real kernel when things go wrong: killed, stopped, restarted, switched off, out of time.

Points in time are the host's own: its kernel's log, and the history that the helper keeps.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.errors import HelperError
from fleetsched.helper import build
from fleetsched.helper.build import build_helper
from fleetsched.helper.client import WatchEnd
from tests.conformance.runner import cases
from tests.real.conftest import PROJECT, RealLab, wait_until
from tests.real.managed import NOW, PID, ManagedHost, managed_host
from tests.real.spread import spread
from tests.real.test_helper_conformance import LabAdapter

pytestmark = [pytest.mark.lab, pytest.mark.faults]

_POLICIES = {
    "fair": "policies/fair",
    "stall": "tests/policies/stall",
    "exits-late": "tests/policies/exits-late",
}
_PARTS = 4  # of the conformance table: workers take them from each other


@pytest.fixture(scope="module")
def installed(lab: RealLab) -> Iterator[ManagedHost]:
    with managed_host(lab, _POLICIES) as managed:
        yield managed


@pytest.fixture
def host(installed: ManagedHost) -> ManagedHost:
    installed.start()
    return installed


def test_a_killed_helper_gives_the_host_back_at_once_and_then_returns(host: ManagedHost) -> None:
    host.confirm(host.assignment("fair"))

    killed = float(host.shell(f"{NOW}; kill -KILL {PID}"))

    host.wait_for("reattached", after=killed)
    ((ended, why),) = host.disabled_at("fair")
    assert ended - killed < 1.0, why
    assert [e.event for e in host.history() if e.boottime_ms > killed * 1000] == [
        "service-start",
        "reattached",
    ]
    running = host.status().running
    assert running is not None
    assert running.assignment == host.assignment("fair")


def test_a_helper_killed_in_a_trial_loses_it_and_goes_back_to_the_last_known_good(host: ManagedHost) -> None:
    host.confirm(host.assignment("fair"))
    with host.client() as client:
        client.try_(host.assignment("fair", slice_us=7000), deadline_s=60, run="run-2", revision="abd")

    killed = float(host.shell(f"{NOW}; kill -KILL {PID}"))

    host.wait_for("reattached", after=killed)
    status = host.status()
    assert status.running is not None
    assert status.running.assignment == host.assignment("fair")
    assert status.last_trial is not None
    assert (status.last_trial.outcome, status.held) == ("lost", ())


def test_a_stopped_helper_does_not_keep_a_trial_beyond_its_deadline(host: ManagedHost) -> None:
    host.confirm(host.assignment("fair"))
    with host.client() as client:
        tried = client.try_(host.assignment("fair", slice_us=7000), deadline_s=4, run="run-2", revision="abd")
    began = tried.trial.started_ms / 1000

    host.shell(f"kill -STOP {PID}")
    ended, why = wait_until(
        # The last known good, of the same name, ended just before the trial began.
        lambda: [end for end in host.disabled_at("fair") if end[0] > began + 1],
        within_s=60,
        what="the lease ends the trial",
    )[0]
    continued = float(host.shell(f"kill -CONT {PID}; {NOW}"))

    assert why == "unregistered from BPF"
    assert 3.5 < ended - began < 6.5  # two clocks of the kernel
    back = host.wait_for("reattached", after=began)
    assert back.boottime_ms / 1000 - continued < 5
    last = host.status().last_trial
    assert last is not None
    assert last.exit is not None
    assert (last.outcome, last.exit.message) == ("expired", "the fleetsched lease ran out")


def test_a_helper_stopped_for_long_lets_go_of_what_was_confirmed_and_takes_it_back(host: ManagedHost) -> None:
    host.confirm(host.assignment("fair"))

    stopped = float(host.shell(f"{NOW}; kill -STOP {PID}"))
    ended, why = wait_until(lambda: host.disabled_at("fair"), within_s=120, what="the lease ends the policy")[
        0
    ]
    host.shell(f"kill -CONT {PID}")

    assert (why, 14 < ended - stopped < 33) == ("unregistered from BPF", True)
    host.wait_for("reattached", after=stopped)
    status = host.status()
    assert (status.voided, status.held) == (None, ())
    assert status.running is not None


def test_a_trial_that_starves_everything_is_reverted_at_its_deadline(host: ManagedHost) -> None:
    host.confirm(host.assignment("fair"))
    with host.client() as client:
        tried = client.try_(host.assignment("stall"), deadline_s=2, run="run-2", revision="abd")
    began = tried.trial.started_ms / 1000

    # Not even the way to the helper runs in this trial, unless it finds a CPU that has nothing to do.
    back = host.wait_for("reattached", after=began)
    assert back.boottime_ms / 1000 - began < 2 + 5
    ((ended, why),) = host.disabled_at("stall")
    assert why == "unregistered from user space"
    assert 1.5 < ended - began < 3.5  # two clocks of the kernel
    status = host.status()
    assert status.last_trial is not None
    assert (status.last_trial.id, status.last_trial.outcome) == (tried.trial.id, "expired")
    assert [(held.assignment.policy, held.why) for held in status.held] == [
        ("stall", "not confirmed before its deadline")
    ]


def test_a_confirmed_policy_that_fails_is_voided_and_stays_off(host: ManagedHost) -> None:
    assignment = host.assignment("exits-late", after_ms=20_000)
    host.confirm(assignment)

    host.wait_for("voided")
    host.shell("systemctl restart fleetsched-host.service")

    status = host.status()
    assert (status.running, status.last_known_good) == (None, None)
    assert status.voided is not None
    assert status.voided.assignment == assignment
    assert status.voided_exit is not None
    assert status.voided_exit.message == "exits late, as it was made to"
    with host.client() as client, pytest.raises(HelperError) as refused:
        client.try_(assignment, deadline_s=60, run="run-2", revision="abc")
    assert refused.value.code == "held"


def test_a_policy_that_failed_while_the_helper_was_stopped_does_not_come_back_by_a_restart(
    host: ManagedHost,
) -> None:
    """The helper hears of its own end before it has heard of the policy's."""
    assignment = host.assignment("exits-late", after_ms=20_000)
    host.confirm(assignment)

    host.shell(f"kill -STOP {PID}")
    wait_until(lambda: host.disabled_at("exits_late"), within_s=60, what="the kernel ejects the policy")
    host.shell("systemctl restart fleetsched-host.service")

    status = host.status()
    assert (status.running, status.last_known_good) == (None, None)
    assert status.voided is not None
    assert status.voided.assignment == assignment
    assert [held.assignment for held in status.held] == [assignment]


def test_after_two_unclean_boots_the_last_known_good_stays_off(host: ManagedHost) -> None:
    host.confirm(host.assignment("fair"))
    host.shell("systemctl stop fleetsched-host.service")
    state = json.loads(host.shell("cat /var/lib/fleetsched/state.json"))
    now = host.shell("date -u +%Y-%m-%dT%H:%M:%SZ").strip()
    state["boots"] = [{"boot_id": name, "at": now} for name in ("one", "two")]
    host.shell("cat > /var/lib/fleetsched/state.json", json.dumps(state).encode())

    host.shell("systemctl start fleetsched-host.service")

    voided = host.wait_for("voided")
    assert voided.detail == (
        "twice within 24 hours the host went down uncleanly after this policy was attached at boot"
    )
    assert host.status().kernel.state == "disabled"


def test_a_host_that_is_switched_off_attaches_nothing(host: ManagedHost) -> None:
    host.confirm(host.assignment("fair"))
    host.shell("mkdir -p /etc/fleetsched && touch /etc/fleetsched/off")

    host.shell("systemctl restart fleetsched-host.service")

    assert host.wait_for("attach-failed").detail == (
        "the last known good stays off: switched off by /etc/fleetsched/off"
    )
    with host.client() as client, pytest.raises(HelperError) as refused:
        client.try_(host.assignment("fair"), deadline_s=60, run="run-2", revision="abc")
    assert str(refused.value) == (
        "host: fleetsched is switched off on this host (fleetsched.off or /etc/fleetsched/off)\n"
        "  remove /etc/fleetsched/off, or boot without fleetsched.off"
    )


def test_checks_are_roots_own_and_have_ten_seconds(host: ManagedHost) -> None:
    host.shell(
        "mkdir -p /etc/fleetsched/checks.d && cd /etc/fleetsched/checks.d && umask 022"
        " && printf '#!/bin/sh\\necho fine\\n' > good && printf '#!/bin/sh\\necho bad >&2; exit 3\\n' > bad"
        " && printf '#!/bin/sh\\nsleep 60\\n' > slow && cp good open && cp good plain"
        " && chmod 755 good bad slow && chmod 777 open"
    )
    names = ("good", "bad", "slow", "open", "plain", "absent")
    with host.client() as client:
        first, *_ = client.watch(interval_s=60, for_s=0, checks=names)

    assert not isinstance(first, WatchEnd)
    assert {name: (result.status, result.exit_code, result.output) for name, result in first.checks} == {
        "good": ("ok", 0, "fine\n"),
        "bad": ("failed", 3, "bad\n"),
        "slow": ("timeout", None, ""),
        "open": ("refused", None, ""),
        "plain": ("refused", None, ""),
        "absent": ("missing", None, ""),
    }
    assert host.shell("pgrep -c sleep || true").strip() == "0"


def test_no_thread_of_the_helper_is_a_task_of_the_policy(host: ManagedHost) -> None:
    host.confirm(host.assignment("fair"))
    threads = host.shell(f"ps -L -o cls=,rtprio= -p {PID}").split("\n")
    assert sorted(line.split() for line in threads if line) == [["FF", "1"], ["FF", "90"]]


@pytest.mark.parametrize("part", range(_PARTS))
def test_the_sanitizers_find_nothing(lab: RealLab, host: ManagedHost, part: int) -> None:
    """The whole conformance table, against the helper with AddressSanitizer and UBSan."""
    binary = build_helper(sanitized=True).read_bytes()
    with ExitStack() as stack:
        others = [
            stack.enter_context(managed_host(lab, {}, number=number)) for number in range(len(lab.hosts) - 1)
        ]
        hosts = [host, *others]
        for each in hosts:
            stack.enter_context(_sanitized(each, binary))
        with spread(cases()[part::_PARTS], [LabAdapter(each.connection) for each in hosts]) as results:
            wrong = {name: error for name, result in results.items() if (error := result.exception())}
        assert wrong == {}
        for each in hosts:
            each.shell("systemctl stop fleetsched-host.service")
            journal = each.shell("journalctl --no-pager -u fleetsched-host.service -o cat")
            assert re.findall(r".*(?:\.c:\d+:\d+: runtime error:|Sanitizer).*", journal) == []


@contextmanager
def _sanitized(host: ManagedHost, binary: bytes) -> Iterator[None]:
    host.shell("cat > /usr/libexec/fleetsched-host.new && chmod 755 /usr/libexec/fleetsched-host.new", binary)
    host.shell(
        "mv /usr/libexec/fleetsched-host /usr/libexec/fleetsched-host.plain"
        " && mv /usr/libexec/fleetsched-host.new /usr/libexec/fleetsched-host"
        " && systemctl restart fleetsched-host.service"
    )
    try:
        yield
    finally:
        host.shell("mv /usr/libexec/fleetsched-host.plain /usr/libexec/fleetsched-host")


def test_the_helper_has_the_same_bytes_from_two_paths(tmp_path: Path) -> None:
    here = build_helper()
    shutil.copytree(PROJECT / "bpf", tmp_path / "deep" / "bpf")
    target = tmp_path / "out"
    target.mkdir()
    toolchain = replace(build.find_toolchain("x86_64"), sources=tmp_path / "deep" / "bpf")
    build.compile_helper(toolchain, "x86_64", target)
    assert (target / build.BINARY).read_bytes() == here.read_bytes()
    assert here.stat().st_size < 2_500_000
