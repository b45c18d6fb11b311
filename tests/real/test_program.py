# SPDX-License-Identifier: Apache-2.0
"""Scheduler programs under the C helper on a real kernel: tried, confirmed, failing in every way they can.

The program is tests/programs/scheduler.c; --object tells it what to attach.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fleetsched.build.policy import compile_policy
from fleetsched.errors import HelperError
from fleetsched.model.assignment import Assignment
from fleetsched.model.program import Program
from fleetsched.model.state import ExitRecord
from tests.programs import build_scheduler
from tests.real.conftest import PROJECT, RealLab, wait_until
from tests.real.managed import CONFIRM_S, ManagedHost, managed_host, watch

pytestmark = pytest.mark.lab

_FOLDER = "/usr/libexec/fleetsched-test"
_PROGRAM = f"{_FOLDER}/program"
_CHILD = "$(pgrep -x program)"
_POLICIES = {"fair": "policies/fair", "stall": "tests/policies/stall"}
_GROUP = "/sys/fs/cgroup/system.slice/fleetsched-host.service/program"


def program(*args: str, policy: str = "fair") -> Program:
    return Program(_PROGRAM, ("--object", f"{_FOLDER}/{policy}.bpf.o", *args))


def numbered(number: int) -> Assignment:
    """Programs differ by their arguments; what is held is told apart by this."""
    digest = hashlib.sha256(build_scheduler()).hexdigest()
    return Assignment.of("program", "default", digest, {"number": number})


@dataclass
class Ending:
    """How a trial ended by itself."""

    outcome: str
    exit: ExitRecord | None


def until_it_ends(
    host: ManagedHost, number: int, what: Program, deadline_s: int = 60, do: str = ""
) -> Ending:
    """Try a program, do something to the host, and look on until the trial is over."""
    with host.client() as client:
        client.try_(numbered(number), deadline_s=deadline_s, run="run-2", revision="abd", program=what)
        if do:
            host.shell(do)
        status = client.status()
        if status.trial:  # else it was over before it was told: what stalls everything stalls sshd, too
            status = watch(client, 60).status
    last = status.last_trial
    assert last is not None
    return Ending(last.outcome, last.exit)


def fault(reason: str, *lines: str) -> ExitRecord:
    """What is recorded of a program that failed after it had come up."""
    return ExitRecord(1024, "ERROR", 0, reason, "; ".join(["test scheduler: attached", *lines]))


def nothing_is_left(host: ManagedHost) -> bool:
    return host.shell(f"pgrep -x program; ls -d {_GROUP} 2>/dev/null; true") == ""


@pytest.fixture(scope="module")
def host(lab: RealLab) -> Iterator[ManagedHost]:
    """A host with its helper, where `program` number 1 was confirmed: what all else goes back to."""
    clean_up = f"rm -rf {_FOLDER};"
    with managed_host(lab, {"fair": _POLICIES["fair"]}, clean_up) as host:
        host.start()
        host.shell(f"mkdir -p {_FOLDER} && cat > {_PROGRAM} && chmod 755 {_PROGRAM}", build_scheduler())
        for name, folder in _POLICIES.items():
            host.shell(f"cat > {_FOLDER}/{name}.bpf.o", compile_policy(PROJECT / folder, {}).image)
        with host.client() as client:
            tried = client.try_(
                numbered(1), deadline_s=60, run="run-1", revision="abc", program=program("--slice-us", "7")
            )
            watch(client, CONFIRM_S)
            client.confirm(tried.trial.id)
        yield host


@pytest.fixture(autouse=True)
def runs_what_was_confirmed(host: ManagedHost) -> Iterator[None]:
    """After each test: the confirmed program runs again, and no other."""
    yield
    status = wait_until(
        lambda: (status := host.status()).running and status, within_s=30, what="the last known good runs"
    )
    assert status.running.assignment == numbered(1)
    assert host.shell("pgrep -c -x program").strip() == "1"


def test_a_program_is_an_ordinary_task_in_bounds_of_its_own(host: ManagedHost) -> None:
    assert host.shell(f"ps -o cls=,args= -p {_CHILD}").split() == [
        *("TS", _PROGRAM, "--object", f"{_FOLDER}/fair.bpf.o", "--slice-us", "7")
    ]
    assert host.shell(f"cd {_GROUP} && cat memory.max memory.oom.group pids.max cgroup.procs").split() == [
        *(str(512 << 20), "1", "256", host.shell(f"echo {_CHILD}").strip())
    ]
    assert host.shell(
        f"cat /proc/{_CHILD}/oom_score_adj; tr '\\0' '\\n' < /proc/{_CHILD}/environ"
    ).split() == [
        "0",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "SCX_TIMEOUT_MS=5000",
    ]


def test_a_program_that_ends_by_itself_fails(host: ManagedHost) -> None:
    assert until_it_ends(host, 3, program("--exit-after", "1")) == Ending(
        "ejected",
        fault("the program ended with status 3", "test scheduler: told to end with status 3"),
    )


def test_a_program_that_attaches_anew_by_itself_has_ended(host: ManagedHost) -> None:
    assert until_it_ends(host, 4, program("--restart", "1")) == Ending(
        "ejected", fault("the program ended with status 1", "test scheduler: cannot attach")
    )


def test_a_program_that_ignores_sigterm_is_killed(host: ManagedHost) -> None:
    with host.client() as client:
        tried = client.try_(
            numbered(8), deadline_s=60, run="r", revision="v", program=program("--ignore-term")
        )
        child = host.shell(f"echo {_CHILD}").strip()
        client.revert(tried.trial.id, "test")
    assert host.shell(f"test -d /proc/{child} || echo gone").strip() == "gone"


def test_a_program_that_does_not_come_up_says_why(host: ManagedHost) -> None:
    with host.client() as client, pytest.raises(HelperError) as caught:
        client.try_(numbered(9), deadline_s=60, run="r", revision="v", program=Program(_PROGRAM, ("--fail",)))
    assert (caught.value.code, caught.value.detail["log"]) == (
        "attach-failed",
        "test scheduler: told to fail\n",
    )
    assert caught.value.message == (
        "lab-3: program did not come up: the program ended with status 1: test scheduler: told to fail"
    ).replace("lab-3", "host")


@pytest.mark.parametrize(
    ("before", "after", "code", "message"),
    [
        (
            f"mv {_PROGRAM} {_PROGRAM}.kept && echo '#!/bin/sh' > {_PROGRAM} && chmod 755 {_PROGRAM}",
            f"mv {_PROGRAM}.kept {_PROGRAM}",
            "program-refused",
            "it is no ELF program; what a script runs would not be checked",
        ),
        (
            f"mv {_PROGRAM} {_PROGRAM}.kept && cp {_PROGRAM}.kept {_PROGRAM} && echo >> {_PROGRAM}",
            f"mv {_PROGRAM}.kept {_PROGRAM}",
            "program-changed",
            "is not the one of the lock",
        ),
        (
            f"chown daemon {_PROGRAM}",
            f"chown root {_PROGRAM}",
            "program-refused",
            "it is not root's, or others than root may write it",
        ),
        (
            f"chmod 775 {_FOLDER}",
            f"chmod 755 {_FOLDER}",
            "program-refused",
            "somebody else than root may change a folder of its path",
        ),
        (
            f"mv {_FOLDER} {_FOLDER}.kept && ln -s {_FOLDER}.kept {_FOLDER}",
            f"rm {_FOLDER} && mv {_FOLDER}.kept {_FOLDER}",
            "program-refused",
            "a part of its path is a link, or no folder",
        ),
    ],
    ids=["no-program", "another-version", "not-roots", "open-folder", "link"],
)
def test_what_is_not_the_locked_program_of_root_is_not_started(
    host: ManagedHost, before: str, after: str, code: str, message: str
) -> None:
    seq = host.status().kernel.enable_seq
    host.shell(before)
    try:
        with host.client() as client, pytest.raises(HelperError) as caught:
            client.try_(numbered(10), deadline_s=60, run="r", revision="v", program=program())
    finally:
        host.shell(after)
    assert caught.value.code == code
    assert message in caught.value.message
    assert host.status().kernel.enable_seq == seq


def test_an_object_and_a_program_take_turns(host: ManagedHost) -> None:
    with host.client() as client:
        tried = client.try_(host.assignment("fair"), deadline_s=60, run="r", revision="v")
        assert nothing_is_left(host)
        client.revert(tried.trial.id, "test")
