# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from fleetsched import schemas
from fleetsched.gates.benchmark import judge
from fleetsched.model.evidence import Arm
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.gate_records import report_from
from fleetsched.views.verify import verify_record, verify_text
from tests.unit.experiments import ARMS, evidence, metric

GOLDEN = Path(__file__).with_name("golden") / "verify.txt"
OLD, NEW = "6.18.15+deb13-cloud-amd64", "7.3.4+deb13-cloud-amd64"
EARLY = (
    GateResult(Gate.SCHEMA, GateVerdict.PASSED, seconds=0.02),
    GateResult(Gate.COMPILE, GateVerdict.PASSED, seconds=0.31),
    GateResult(Gate.INSPECT, GateVerdict.PASSED, seconds=0.02),
)
STARVED = GateFinding(
    "no-progress",
    "a task in a cgroup of weight 1 got next to nothing done: 0 steps, expected 5 at the least",
    "light",
    "the share of a task may be small, and never nothing: bound how long any task can be passed over",
)
STALL = GateFinding("runnable-task-stall", "runnable task stall: sh[42] failed to run for 2.1s\x1b[2J")
BEFORE = tuple(
    GateResult(gate, GateVerdict.PASSED, OLD, 4.1) for gate in (Gate.VERIFY, Gate.ATTACH, Gate.STRESS)
)
MEASURED = judge(evidence()).result(Gate.BENCHMARK, kernel=OLD, seconds=131.4)
LOSING = judge(
    evidence(
        (
            metric(
                "requests_per_second", 800, 1000, unit="1/s", better="maximize", guardrail=0.05, incumbent=810
            ),
        ),
        arms=(ARMS[0], Arm("incumbent", "steady", "default", "f2" * 32), ARMS[1]),
    )
).result(Gate.BENCHMARK, kernel=OLD, seconds=131.4)
REPORTS = [
    GateReport(
        "mine",
        "default",
        "ab" * 32,
        (
            *EARLY,
            GateResult(Gate.VERIFY, GateVerdict.PASSED, OLD, 4.1, cached=True),
            GateResult(Gate.ATTACH, GateVerdict.PASSED, OLD, 2.2, cached=True),
            GateResult(
                Gate.STRESS,
                GateVerdict.FAILED,
                OLD,
                14.6,
                (STARVED, STALL, *(GateFinding("task-starved", f"task {n}") for n in range(5))),
                "\n".join(f"line {n} of the log{' that is long' * n}" for n in range(14)),
            ),
            GateResult(
                Gate.VERIFY, GateVerdict.ERROR, NEW, 1.0, log="the machine has ended\nwhy, it did not say"
            ),
        ),
    ),
    GateReport(
        "mine",
        "large",
        "cd" * 32,
        (*EARLY, GateResult(Gate.VERIFY, GateVerdict.SKIPPED, OLD, log="needs kernel >=7.0, runs 6.18.15")),
    ),
    GateReport(
        "broken",
        "default",
        "",
        (
            EARLY[0],
            GateResult(
                Gate.COMPILE,
                GateVerdict.FAILED,
                seconds=0.2,
                findings=(
                    GateFinding(
                        "compile-error",
                        "use of undeclared identifier 'slice'",
                        "policies/broken/broken.bpf.c:17:4",
                        "mend the source",
                    ),
                ),
                log="policies/broken/broken.bpf.c:17:4: error: use of undeclared identifier 'slice'",
            ),
        ),
    ),
    GateReport(
        "unsure", "default", "ef" * 32, (*EARLY, GateResult(Gate.VERIFY, GateVerdict.ERROR, "6.19", log="no"))
    ),
    GateReport("quick", "default", "f1" * 32, (*EARLY, *BEFORE, MEASURED), {"slice_us": 700}),
    GateReport("slow", "default", "f1" * 32, (*EARLY, *BEFORE, LOSING)),
]


def test_reports_read_as_agreed() -> None:
    assert verify_text(REPORTS) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_no_line_is_wider_than_a_terminal() -> None:
    assert max(map(len, verify_text(REPORTS).splitlines())) <= 80


def test_the_record_is_what_its_schema_says_and_can_be_read_again() -> None:
    record = json.loads(json.dumps(verify_record(REPORTS)))
    registry: Registry[object] = Registry().with_resource(
        "common.json", Resource.from_contents(schemas.load("common"))
    )
    Draft202012Validator(schemas.load("gate-report"), registry=registry).validate(record)
    assert [report_from(each) for each in record["reports"]] == REPORTS
