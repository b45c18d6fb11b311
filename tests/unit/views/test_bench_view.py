# SPDX-License-Identifier: Apache-2.0
"""What people read about workloads."""

from __future__ import annotations

from pathlib import Path

from fleetsched.model.position import Position
from fleetsched.model.workload import Workload, WorkloadMetric
from fleetsched.views.bench import workloads_records, workloads_text

GOLDEN = Path(__file__).parent / "golden" / "bench-list.txt"
WORKLOADS = {
    "hackbench": Workload(
        "hackbench",
        ("hackbench",),
        {"completion_time_s": WorkloadMetric("s", "minimize", regex="^Time: (.*)")},
        description="Groups of senders and receivers pass messages over sockets as fast as they can: wakeups "
        "and switches between many tasks.",
        packages=("rt-tests",),
        source=Position("hackbench.yaml", 4, 18),
    ),
    "sorting": Workload("sorting", ("sort",), {"lines": WorkloadMetric("1", "maximize", regex="(.*)")}),
}


def test_the_list_says_what_each_does_measures_and_needs() -> None:
    text = workloads_text(WORKLOADS)

    assert text + "\n" == GOLDEN.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 80


def test_records_say_the_same() -> None:
    first, second = workloads_records(WORKLOADS)

    assert first["metrics"] == {"completion_time_s": {"unit": "s", "better": "minimize"}}
    assert (first["packages"], first["source"]) == (["rt-tests"], "hackbench.yaml:4:18")
    assert second["workload"] == "sorting"
