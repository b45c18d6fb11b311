# SPDX-License-Identifier: Apache-2.0
"""Machines for gates and benchmarks: what is in them, and that nothing of one use is left for the next."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fleetsched.build.policy import compile_policy
from fleetsched.errors import LabError
from fleetsched.lab.machine import Machine, MachineSpec, open_machine
from fleetsched.model.assignment import Assignment
from fleetsched.model.state import EndedTrial
from tests.real.conftest import PROJECT, wait_until

pytestmark = pytest.mark.lab

_ANSWER_S = 120.0


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with open_machine(MachineSpec(icount=True), print) as opened:
        yield opened


def attach(machine: Machine, policy: str) -> None:
    """On trial; the helper's client is closed again."""
    built = compile_policy(PROJECT / policy, {})
    assignment = Assignment.of(policy.rpartition("/")[2], "default", built.digest, {})
    with machine.helper() as helper:
        helper.stage(built.digest, built.image)
        token = helper.lease("test", 600).token
        helper.try_(assignment, deadline_s=600, run="test", revision="0" * 40, token=token)


def state(machine: Machine) -> str:
    return machine.run("cat /sys/kernel/sched_ext/state", timeout_s=_ANSWER_S).strip()


def test_policy_runs_and_a_reset_leaves_nothing_of_it(machine: Machine) -> None:
    attach(machine, "policies/fair")
    machine.put("/root/deep/down", b"left behind", mode=0o755)
    seen = machine.run("/bin/ls -l /root/deep/down; cat /sys/kernel/sched_ext/root/ops", timeout_s=_ANSWER_S)
    assert seen.startswith("-rwxr-xr-x 1 root root 11 ")
    assert seen.endswith("fair\n")
    assert state(machine) == "enabled"
    uptime = "cut -d. -f1 /proc/uptime"
    before = int(machine.run(f"sleep 60; {uptime}", timeout_s=_ANSWER_S))

    machine.reset()

    assert state(machine) == "disabled"
    assert machine.run("ls /root", timeout_s=_ANSWER_S) == ""
    assert int(machine.run(uptime, timeout_s=_ANSWER_S)) < before - 50
    with machine.helper() as helper:
        assert helper.status().trial is None


def test_clock_by_instructions_stands_still_while_nobody_waits(machine: Machine) -> None:
    uptime = "cut -d' ' -f1 /proc/uptime"
    before = float(machine.run(uptime, timeout_s=_ANSWER_S))
    time.sleep(2)  # in which an idle machine's own clock would run for hundreds of seconds
    assert float(machine.run(uptime, timeout_s=_ANSWER_S)) - before < 1


def test_helper_answers_again_after_a_policy_that_starved_everything(machine: Machine) -> None:
    def ended_trial() -> EndedTrial | None:
        # It comes to its turn when the kernel has ejected the policy; the helper may hear of that later.
        machine.run("sleep 1", timeout_s=_ANSWER_S)
        with machine.helper() as helper:
            return helper.status().last_trial

    machine.reset()
    attach(machine, "tests/policies/stall")
    ended = wait_until(ended_trial, within_s=_ANSWER_S, what="the trial has ended")
    assert ended.exit
    assert ended.exit.kind_name == "ERROR_STALL"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo so >&2; exit 3", "machine with kernel 6.18: a script ended with exit code 3: so"),
        ("false; echo not reached", "machine with kernel 6.18: a script ended with exit code 1: "),
        ("sleep 1000000", "machine with kernel 6.18: `sleep 1000000` took more than 2 s"),
        (
            "echo c > /proc/sysrq-trigger",
            "machine with kernel 6.18: the machine ended\n  The end of its console:",
        ),
    ],
)
def test_script_that_fails_says_why(machine: Machine, script: str, message: str) -> None:
    machine.reset()
    with pytest.raises(LabError) as caught:
        machine.run(script, timeout_s=2 if "sleep" in script else _ANSWER_S)
    assert str(caught.value).startswith(message)


_LAYOUT = """\
for cpu in 0 1 2 3; do
    cd /sys/devices/system/cpu/cpu$cpu
    echo $(cat cache/index3/shared_cpu_list topology/thread_siblings_list)
done
cat /sys/devices/system/node/node*/cpulist
"""


@pytest.mark.parametrize(
    ("topology", "llcs", "cores", "nodes"),
    [
        ("smt", ["0-3"] * 4, ["0-1", "0-1", "2-3", "2-3"], ["0-3"]),
        ("two-llc", ["0-1", "0-1", "2-3", "2-3"], ["0", "1", "2", "3"], ["0-3"]),
        ("two-node", ["0-1", "0-1", "2-3", "2-3"], ["0", "1", "2", "3"], ["0-1", "2-3"]),
    ],
)
def test_kernel_sees_the_topology(topology: str, llcs: list[str], cores: list[str], nodes: list[str]) -> None:
    with open_machine(MachineSpec(cpus=4, topology=topology), print) as opened:
        seen = opened.run(_LAYOUT, timeout_s=_ANSWER_S).splitlines()
    assert seen == [*(f"{llc} {core}" for llc, core in zip(llcs, cores, strict=True)), *nodes]
