# SPDX-License-Identifier: Apache-2.0
"""The C helper through idle hours, CPUs that come and go, sleep, a wrong clock and busy tasks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from fleetsched.errors import HelperError
from fleetsched.model.state import HistoryEntry
from tests.real.conftest import RealLab, wait_until
from tests.real.managed import PID, ManagedHost, managed_host, watch

pytestmark = [pytest.mark.lab, pytest.mark.faults]

_POLICIES = {
    "fair": "policies/fair",
    "exits-late": "tests/policies/exits-late",
    "leaves-as-lease": "tests/policies/leaves-as-lease",
    "no-hotplug": "tests/policies/no-hotplug",
}
_CPU = "/sys/devices/system/cpu/cpu1/online"
_TRACE = "/sys/kernel/tracing"

# Every system call of the helper's threads for a minute, by number, without a tracer that would stop them.
_COUNT_CALLS = f"""
cd {_TRACE} && echo > trace && ls /proc/{PID}/task > set_event_pid
echo 1 > events/raw_syscalls/sys_enter/enable && sleep 60; echo 0 > events/raw_syscalls/sys_enter/enable
echo > set_event_pid; sed -n 's/.*sys_enter: NR \\([0-9]*\\) .*/\\1/p' trace
"""


@pytest.fixture(scope="module")
def installed(lab: RealLab) -> Iterator[ManagedHost]:
    with managed_host(lab, _POLICIES, f"echo 1 > {_CPU};") as managed:
        yield managed


@pytest.fixture
def host(installed: ManagedHost) -> ManagedHost:
    installed.shell(f"echo 1 > {_CPU}")
    installed.start()
    return installed


def reattached(host: ManagedHost, times: int) -> list[HistoryEntry]:
    """Wait until the policy has been attached again so often."""

    def entries() -> list[HistoryEntry] | None:
        found = [entry for entry in host.history() if entry.event == "reattached"]
        return found if len(found) >= times else None

    found = wait_until(entries, within_s=60, what=f"reattached {times} times")
    assert isinstance(found, list)
    return found


def memory_kib(host: ManagedHost) -> dict[str, int]:
    """VmRSS and VmHWM of the helper."""
    status = host.shell(f"cat /proc/{PID}/status")
    return {name: int(kib) for name, kib in re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE)}


# --- nothing is polled --------------------------------------------------------------------------------------


def test_an_idle_helper_makes_no_system_calls(host: ManagedHost) -> None:
    assert host.shell(_COUNT_CALLS) == ""


def test_with_a_confirmed_policy_it_makes_at_most_thirty_in_a_minute(host: ManagedHost) -> None:
    host.confirm(host.assignment("fair"))
    calls = host.shell(_COUNT_CALLS).split()
    assert 4 <= len(calls) <= 30, calls


def test_it_hears_of_an_ejection_at_once(host: ManagedHost) -> None:
    """It looks by itself once a minute."""
    host.confirm(host.assignment("exits-late", after_ms=20_000))

    voided = host.wait_for("voided")

    ((ended, why),) = host.disabled_at("exits_late")
    assert (why, voided.boottime_ms / 1000 - ended < 2) == ("scx_bpf_error", True)
    assert voided.exit is not None
    assert voided.exit.message == "exits late, as it was made to"
    assert voided.exit.trace
    assert all(
        re.fullmatch(r"[\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+( \[\w+\])?", call) for call in voided.exit.trace
    )


def test_a_policy_that_ends_as_if_by_the_lease_comes_back_but_not_for_ever(host: ManagedHost) -> None:
    leaves_at_s = host.uptime_s() + 30
    host.confirm(host.assignment("leaves-as-lease", at_ms=int(leaves_at_s * 1000)))

    failed = host.wait_for("attach-failed", within_s=120)

    assert failed.detail == (
        "the last known good stays off: "
        "the kernel lease, or the policy in its name, ended it more than five times in a minute"
    )
    assert [entry.event for entry in host.history()].count("reattached") == 5
    status = host.status()
    assert (status.kernel.state, status.running, status.voided) == ("disabled", None, None)


# --- CPUs that come and go ----------------------------------------------------------------------------------


def test_a_trial_goes_on_through_hotplug_to_the_same_deadline(host: ManagedHost) -> None:
    with host.client() as client:
        trial = client.try_(host.assignment("no-hotplug"), deadline_s=300, run="run-1", revision="abc").trial
        host.shell(f"echo 0 > {_CPU}")
        reattached(host, 1)
        host.shell(f"echo 1 > {_CPU}")
        *_, last = reattached(host, 2)
        again = client.status().trial

    assert last.exit is not None
    assert (last.exit.kind_name, last.exit.message) == ("UNREG_KERN", "cpu 1 going online, exiting scheduler")
    assert again is not None
    assert (again.id, again.started_ms, again.enable_seq > trial.enable_seq) == (
        trial.id,
        trial.started_ms,
        True,
    )
    assert again.deadline_in_ms < trial.deadline_in_ms


def test_a_confirmed_policy_comes_back_after_hotplug_but_not_for_ever(host: ManagedHost) -> None:
    host.confirm(host.assignment("no-hotplug"))
    for times in range(1, 6):
        host.shell(f"echo {(times + 1) % 2} > {_CPU}")
        reattached(host, times)
    host.shell(f"echo 1 > {_CPU}")

    assert host.wait_for("attach-failed").detail == (
        "the last known good stays off: "
        "CPUs came or went more than five times in a minute, and it cannot go on through that"
    )
    status = host.status()
    assert (status.kernel.state, status.running, status.voided) == ("disabled", None, None)
    assert status.last_known_good is not None


# --- sleep --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["fair", "no-hotplug"])
def test_a_confirmed_policy_outlives_sleep(host: ManagedHost, policy: str) -> None:
    """To S3 and back, woken by its clock. The second CPU is taken offline on the way."""
    host.confirm(host.assignment(policy))

    host.shell("systemd-run --quiet rtcwake --mode mem --seconds 5")
    wait_until(lambda: "PM: suspend exit" in host.shell("dmesg"), within_s=120, what="the host slept")

    def running() -> bool:
        status = host.status()
        return status.running is not None and status.running.assignment == host.assignment(policy)

    wait_until(running, within_s=60, what="the policy runs after the sleep")
    assert (host.status().voided, host.status().held) == (None, ())
    assert any(entry.event == "reattached" for entry in host.history()) == (policy == "no-hotplug")


# --- a wrong clock ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", ["+1 day", "-1 day"])
def test_a_trial_ends_on_time_whatever_the_wall_clock_says(host: ManagedHost, jump: str) -> None:
    host.confirm(host.assignment("fair"))
    try:
        with host.client() as client:
            tried = client.try_(
                host.assignment("fair", slice_us=7000), deadline_s=6, run="run-2", revision="abd"
            )
            host.shell(f"date --set '{jump}'")
            end = watch(client, 60)
    finally:
        host.shell(f"date --set '{'-1 day' if jump == '+1 day' else '+1 day'}'")

    assert end.ended == "trial"
    expired = host.wait_for("expired")
    assert 6.0 <= (expired.boottime_ms - tried.trial.started_ms) / 1000 < 8.0
    assert host.status().running is not None


def test_unclean_boots_of_a_clock_that_was_ahead_count(host: ManagedHost) -> None:
    host.confirm(host.assignment("fair"))
    host.shell("systemctl stop fleetsched-host.service")
    state = json.loads(host.shell("cat /var/lib/fleetsched/state.json"))
    ahead = host.shell("date -u --date='+3 days' +%Y-%m-%dT%H:%M:%SZ").strip()
    state["boots"] = [{"boot_id": name, "at": ahead} for name in ("one", "two")]
    host.shell("cat > /var/lib/fleetsched/state.json", json.dumps(state).encode())

    host.shell("systemctl start fleetsched-host.service")

    host.wait_for("voided")
    assert host.status().kernel.state == "disabled"


# --- busy real-time tasks -----------------------------------------------------------------------------------


def test_a_trial_is_reverted_beside_real_time_hogs(host: ManagedHost) -> None:
    """On all CPUs from 7.0 on, before on all but one, and there for less than the watchdog's five seconds."""
    host.confirm(host.assignment("fair"))
    cpus = (0, 1) if int(host.shell("uname -r").split(".")[0]) >= 7 else (1,)
    hogs = ";".join(
        f"systemd-run --quiet timeout 6 taskset -c {cpu} chrt --fifo 60 sh -c 'while :; do :; done'"
        for cpu in cpus
    )
    with host.client() as client:
        client.try_(host.assignment("fair", slice_us=7000), deadline_s=5, run="run-2", revision="abd")
        thread = host.shell(f"chrt -p $(pgrep sched_ext_helpe); {hogs}")
        end = watch(client, 60)

    assert thread.splitlines()[-1].endswith("scheduling priority: 98")
    assert end.ended == "trial"
    host.wait_for("reattached")
    # By the kernel's log: beside hogs on all CPUs the helper itself can say so only when they are gone.
    log = re.findall(
        r'\[ *([\d.]+)\] sched_ext: BPF scheduler "fair" (enabled|disabled)', host.shell("dmesg")
    )
    assert [what for _, what in log] == ["enabled", "disabled", "enabled", "disabled", "enabled"]
    assert float(log[3][0]) - float(log[2][0]) < 5.0 + 2.0


# --- what keeps a policy off --------------------------------------------------------------------------------


def test_a_unit_with_little_memory_is_refused_by_name(host: ManagedHost) -> None:
    host.shell("systemctl set-property --runtime fleetsched-host.service MemoryMax=30M")
    try:
        with host.client() as client, pytest.raises(HelperError) as refused:
            client.try_(host.assignment("fair"), deadline_s=60, run="run-1", revision="abc")
    finally:
        host.shell("systemctl set-property --runtime fleetsched-host.service MemoryMax=infinity")
    assert str(refused.value) == (
        "host: the helper's unit may use less than 32 MiB, and a policy is loaded in that: 30 MiB for "
        "/system.slice/fleetsched-host.service\n"
        "  raise MemoryMax= of fleetsched-host.service, or of the slice that it is in"
    )


@pytest.mark.parametrize("unit", ["scx.service", "scx_loader.service"])
def test_another_loader_is_refused_by_name(host: ManagedHost, unit: str) -> None:
    path = f"/etc/systemd/system/multi-user.target.wants/{unit}"
    host.shell(f"touch /root/{unit} && ln -s /root/{unit} {path}")
    try:
        with host.client() as client, pytest.raises(HelperError) as refused:
            client.try_(host.assignment("fair"), deadline_s=60, run="run-1", revision="abc")
    finally:
        host.shell(f"rm {path} /root/{unit}")
    assert str(refused.value) == (
        f"host: {unit}, another loader of schedulers, is enabled or runs\n  systemctl disable --now {unit}"
    )


def test_what_may_make_a_policy_look_bad_is_warned_of(host: ManagedHost) -> None:
    host.shell(
        "systemd-run --quiet --unit=limited --property=CPUQuota=50% sleep 600;"
        "systemd-run --quiet --unit=realtime chrt --fifo 5 sleep 600"
    )
    try:
        with host.client() as client:
            facts = client.facts()
    finally:
        host.shell("systemctl stop limited realtime")
    warnings = {warning.code: warning.message for warning in facts.warnings}
    assert warnings["cgroup-cpu"].endswith(
        ": /sys/fs/cgroup/system.slice/limited.service has cpu.max 50000 100000"
    )
    if int(facts.kernel_release.split(".")[0]) < 7:
        assert re.search(r", and here is one: sleep, process \d+$", warnings["rt-starvation"])


# --- memory -------------------------------------------------------------------------------------------------


def test_it_stays_small(host: ManagedHost) -> None:
    host.shell("systemctl restart fleetsched-host.service")
    idle = memory_kib(host)
    host.confirm(host.assignment("fair"))
    with host.client() as client:
        client.facts()
    attached = memory_kib(host)
    assert (idle["VmRSS"] <= 4096, attached["VmRSS"] <= 4096, attached["VmHWM"] <= 16384) == (
        True,
        True,
        True,
    ), (idle, attached)
