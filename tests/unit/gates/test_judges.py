# SPDX-License-Identifier: Apache-2.0
"""What each gate on a machine says of what was seen there."""

from __future__ import annotations

from typing import Any

import pytest

from fleetsched.errors import HelperError
from fleetsched.gates.attach import attach
from fleetsched.gates.course import Seen
from fleetsched.gates.outcome import Outcome
from fleetsched.gates.report import read_report
from fleetsched.gates.soak import soak
from fleetsched.gates.stress import stress
from fleetsched.gates.verify import verify
from fleetsched.model.gate import Gate
from fleetsched.model.state import ExitRecord, HistoryEntry
from tests.unit.gates.machine import report

STALL = ExitRecord(1026, "ERROR_STALL", 0, "runnable task stall", "sh[42] failed to run for 2.1s")
HOTPLUG = ExitRecord(66, "UNREG_KERN", 281479271677952, "unregistered from the main kernel", "cpu 1 going")
LEFT = ExitRecord(65, "UNREG_BPF", 0, "unregistered from BPF", "that was all")
FORBIDDEN = ExitRecord(
    1024,
    "ERROR",
    0,
    "runtime error",
    "target CPU 0 not allowed for sh[42]",
    ("scx_error+0x4e/0x1000", "bpf_prog_0011aabbccddeeff_mine_enqueue+0xa5/0x2a0", "kthread+0xff/0x240"),
)


def seen(*, end: ExitRecord | None = None, after_s: float = 0.0, event: str = "ejected", **what: Any) -> Seen:
    """What was seen of a policy that came up 60 s after the boot."""
    written = read_report(report(**what))
    entry = HistoryEntry("", "", round((60 + after_s) * 1000), event, None, None, end, "as it happened")
    return Seen(report=written, ends=(entry,) if end else ())


def codes(outcome: Outcome) -> list[str]:
    return [finding.code for finding in outcome.findings]


def test_a_sound_policy_passes_all_of_them() -> None:
    sound = seen()
    assert [codes(each) for each in (verify(sound), attach(sound, "fair"), stress(sound), soak(sound))] == [
        []
    ] * 4


@pytest.mark.parametrize(
    ("after_s", "stopped"),
    [(0.2, Gate.ATTACH), (5.9, Gate.ATTACH), (6.1, Gate.STRESS), (18, Gate.STRESS), (60, Gate.SOAK)],
)
def test_an_end_belongs_to_the_gate_in_whose_time_it_came(after_s: float, stopped: Gate) -> None:
    came_to = {Gate.ATTACH: "attach", Gate.STRESS: "hotplug", Gate.SOAK: "soak"}[stopped]
    ended = seen(end=STALL, after_s=after_s, last=came_to)
    said = {Gate.ATTACH: attach(ended, "fair"), Gate.STRESS: stress(ended), Gate.SOAK: soak(ended)}
    assert next(gate for gate, outcome in said.items() if not outcome.passed) is stopped
    (finding,) = said[stopped].findings
    assert (finding.code, finding.message) == (
        "runnable-task-stall",
        "runnable task stall: sh[42] failed to run for 2.1s",
    )
    assert finding.remedy


@pytest.mark.parametrize(
    ("end", "code", "place"),
    [
        (HOTPLUG, "exits-at-hotplug", ""),
        (LEFT, "exits-by-itself", ""),
        (FORBIDDEN, "runtime-error", "mine_enqueue"),
    ],
)
def test_every_end_is_a_fault_here(end: ExitRecord, code: str, place: str) -> None:
    (finding,) = stress(seen(end=end, after_s=13, event="reattached")).findings
    assert (finding.code, finding.place) == (code, place)


@pytest.mark.parametrize(
    ("what", "code", "message"),
    [
        (
            {"did": {"light": 0}},
            "no-progress",
            "a task in a cgroup of weight 1 got next to nothing done: 0 steps, expected 5 at the least",
        ),
        (
            {"did": {"hog-2": 3}},
            "no-progress",
            "a task of the usual weight that never sleeps got next to nothing done: 3 steps, "
            "expected 20 at the least",
        ),
        ({"gaps": {"probe": 1.3}}, "task-starved", "a task that wakes every 10 ms did not run for 1.3 s"),
        (
            {"more": "no-fork 66.1 Cannot allocate memory"},
            "no-fork",
            "no process can be made: Cannot allocate memory",
        ),
        (
            {"events": {"SCX_EV_INSERT_NOT_OWNED": 2}},
            "fault-events",
            "the kernel counted SCX_EV_INSERT_NOT_OWNED 2 times",
        ),
    ],
)
def test_stress_sees_what_the_watchdog_does_not(what: dict[str, object], code: str, message: str) -> None:
    (finding,) = stress(seen(**what)).findings
    assert (finding.code, finding.message) == (code, message)
    assert finding.remedy


def test_a_choice_that_a_leaving_cpu_spoils_is_no_fault() -> None:
    spoilt = {"SCX_EV_SELECT_CPU_FALLBACK": 14, "SCX_EV_DISPATCH_LOCAL_DSQ_OFFLINE": 1}
    assert stress(seen(events=spoilt)).findings == ()


def test_another_scheduler_is_not_what_was_asked_for() -> None:
    assert attach(seen(ops="other"), "fair").error == (
        "expected fair to be enabled, the kernel shows other (enabled)"
    )


def test_a_course_without_its_end_judges_nobody() -> None:
    assert stress(seen(last="tail")).error == "the course did not come to its end in the machine"


LOG = """\
libbpf: prog 'mine_enqueue': BPF program load failed: Permission denied
Validating mine_enqueue() func#1...
0: R1=ctx() R10=fp0
; u64 *slice = bpf_map_lookup_elem(&slices, &only); @ mine.bpf.c:21
8: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=slices,ks=4,vs=8)
; scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, *slice, enq_flags); @ mine.bpf.c:23
9: (79) r3 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""


def refusal(code: str, message: str = "machine: no", **detail: object) -> HelperError:
    return HelperError(message, code=code, detail=detail)


def test_the_first_error_of_the_verifier_comes_first_with_its_line() -> None:
    outcome = verify(Seen(refusal=refusal("load-failed", log=LOG)))
    (finding,) = outcome.findings
    assert (finding.code, finding.message, finding.place) == (
        "verifier",
        "R0 invalid mem access 'map_value_or_null'",
        "mine.bpf.c:23",
    )
    assert outcome.log.endswith(LOG)


def test_a_kernel_function_that_is_not_there_is_named() -> None:
    log = "libbpf: extern (func ksym) 'scx_bpf_consume': not found in kernel or module BTFs\n"
    (finding,) = verify(Seen(refusal=refusal("load-failed", log=log))).findings
    assert (finding.code, finding.message) == ("missing-kfunc", "this kernel has no scx_bpf_consume")


def test_a_machine_that_refuses_for_its_own_reasons_judges_nobody() -> None:
    outcome = verify(Seen(refusal=refusal("disk-full", "machine: no room")))
    assert outcome.findings == ()
    assert outcome.error == "machine: no room (disk-full)"


def test_a_policy_that_does_not_come_up_passed_the_verifier() -> None:
    record = {
        "kind": 1024,
        "kind_name": "ERROR",
        "code": -22,
        "reason": "runtime error",
        "message": "ops.init() failed",
    }
    not_up = Seen(refusal=refusal("attach-failed", exit=record))
    assert verify(not_up).passed
    (finding,) = attach(not_up, "fair").findings
    assert (finding.code, finding.message) == ("runtime-error", "runtime error: ops.init() failed")


@pytest.mark.parametrize("gate", [Gate.ATTACH, Gate.STRESS, Gate.SOAK])
def test_a_machine_that_hangs_stops_it_where_it_was(gate: Gate) -> None:
    lost = Seen(lost_in=gate)
    said = {Gate.ATTACH: attach(lost, "fair"), Gate.STRESS: stress(lost), Gate.SOAK: soak(lost)}
    first = next(each for each, outcome in said.items() if not outcome.passed)
    assert first is gate
    assert codes(said[gate]) == ["machine-hangs"]
