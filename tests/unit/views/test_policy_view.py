# SPDX-License-Identifier: Apache-2.0
"""What people read about the catalogue."""

from __future__ import annotations

from pathlib import Path

from fleetsched.model.catalogue import CatalogueEntry, Presence
from fleetsched.model.policy import Parameter, Policy, Topology
from fleetsched.model.requires import Requires
from fleetsched.views.policy import policy_list_text, policy_records, policy_text

GOLDEN = Path(__file__).parent / "golden"
SLICE = Parameter(
    "u64", default=5000, minimum=250, maximum=20000, unit="us", doc="longest run while others wait"
)
FAIR = CatalogueEntry(
    Policy(
        "fair",
        Path("policies/fair"),
        "weighted virtual time over one queue; every task gets its share",
        algorithm="weighted fair queueing by virtual time, with a clock that never stands still",
        requires=Requires(kernel=((">=", (6, 12, 0)), ("<", (7, 1, 2))), arch=("x86_64", "aarch64")),
        topology=Topology(("llc", "numa"), "elsewhere it is one queue like any other"),
        cost="0.4 us a wakeup, 64 bytes a task",
        failure_modes=("tasks that never sleep wait longer than under the kernel's scheduler",),
        parameters={"slice_us": SLICE, "greedy": Parameter("bool", default=0, minimum=0, maximum=1)},
        suitability={"cpu_utilisation": 1, "wake_rate": -2},
    ),
    readme="# fair\n\nIts README.\n",
    presence=Presence.DIFFERS,
    differing=("fair.bpf.c", "README.md"),
)
BARE = CatalogueEntry(Policy("bare", Path("policies/bare"), "nothing special"), readme="")


def test_a_list_says_where_each_runs_and_whether_the_repository_has_it() -> None:
    absent = CatalogueEntry(BARE.policy, "", Presence.ABSENT)
    assert policy_list_text([absent, FAIR]) + "\n" == (GOLDEN / "policy-list.txt").read_text()


def test_a_policy_is_shown_with_all_that_it_declares() -> None:
    assert policy_text(FAIR) + "\n" == (GOLDEN / "policy-show.txt").read_text()


def test_a_policy_that_declares_nothing_says_so() -> None:
    assert policy_text(BARE).split("\n\n")[1:] == [
        "  needs       any kernel with sched_ext\n  watchdog    5 s\n  variants    default",
        "Suitability: what it says of workloads (above 0 suits, below 0 does not)\n  nothing",
        "Parameters\n  none",
        "README",
        "none",
    ]


def test_records_open_with_a_version() -> None:
    assert list(policy_records([FAIR])) == [
        {"type": "version", "format": "fleetsched-policies", "version": "1.0"},
        {
            "type": "policy",
            "name": "fair",
            "summary": "weighted virtual time over one queue; every task gets its share",
            "kernel": ">=6.12, <7.1.2",
            "arch": ["x86_64", "aarch64"],
            "suitability": {"cpu_utilisation": 1, "wake_rate": -2},
            "topology": ["llc", "numa"],
            "cost": "0.4 us a wakeup, 64 bytes a task",
            "failureModes": ["tasks that never sleep wait longer than under the kernel's scheduler"],
            "repository": "differs",
            "differing": ["fair.bpf.c", "README.md"],
        },
    ]
