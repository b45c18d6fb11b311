# SPDX-License-Identifier: Apache-2.0
"""What is known of made-up policies."""

from __future__ import annotations

from pathlib import Path

from fleetsched.model.dossier import Dossier
from fleetsched.model.evidence import Arm
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.lock import PolicyLock
from fleetsched.model.policy import Parameter, Policy, Provenance, Topology
from fleetsched.model.requires import Requires
from tests.unit.experiments import ARMS, DIGEST, evidence, metric

OTHER = "2b" * 32
FAIR = Policy(
    "fair",
    Path("policies/fair"),
    "weighted virtual time over one queue; every task gets its share",
    algorithm="weighted fair queueing by virtual time",
    suitability={"cpu_utilisation": 1, "wake_rate": -2},
    requires=Requires(kernel=((">=", (6, 12, 0)),)),
    topology=Topology(("llc",), "one queue where there is one cache"),
    cost="0.4 us a wakeup, 64 bytes a task",
    failure_modes=("tasks that never sleep wait longer", "one queue is a bottleneck above 16 CPUs"),
    parameters={"slice_us": Parameter("u64", 5000, 250, 20000, "us", "longest run")},
    provenance=Provenance("catalogue"),
)
BATCH_METRICS = (
    metric("completion_time_s", 7.4, 10, unit="s", incumbent=9.8),
    metric("context_switches", 900, 1000, unit="1", guardrail=0.1, incumbent=1000),
    metric("request_latency_p99_us", 31, 30, incumbent=30),
)
INCUMBENT = Arm("incumbent", "interactive", "default", OTHER, {"slice_us": 3000})


def results(kernel: str, last: GateVerdict = GateVerdict.PASSED) -> tuple[GateResult, ...]:
    stall = GateFinding("runnable-task-stall", "kworker/0:1 failed to run for 2.1 s")
    return (
        GateResult(Gate.VERIFY, GateVerdict.PASSED, kernel),
        GateResult(Gate.ATTACH, GateVerdict.PASSED, kernel),
        GateResult(Gate.STRESS, last, kernel, findings=(stall,) if last is GateVerdict.FAILED else ()),
    )


MEASURED = Dossier(
    policy=FAIR,
    lock=PolicyLock("fair", {"default": DIGEST}),
    evidence=(
        evidence(BATCH_METRICS, workload="batch-long-tail", arms=(ARMS[0], INCUMBENT, ARMS[1])),
        evidence(distributions=True),
    ),
    stale=("aaaaaaaaaaaa-message-wakeups-7.2.json",),
    gates=(
        GateReport(
            "fair",
            "default",
            DIGEST,
            (*results("6.18.15"), *results("7.2.13"), *results("7.3.4", GateVerdict.FAILED)),
        ),
    ),
    gates_commit="c0ffee" * 7,
)
BARE = Dossier(Policy("bare", Path("policies/bare"), "nothing <special>"), None)
