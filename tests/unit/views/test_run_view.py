# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from fleetsched.errors import ExitCode
from fleetsched.model.rollout import Phase
from fleetsched.model.run import Applied, HostResult
from fleetsched.views.run import run_text


def test_failed_run_says_what_happened_where_and_that_it_was_undone() -> None:
    applied = Applied(
        "run-1",
        ExitCode.ROLLED_BACK,
        (
            HostResult("web-1", "web", Phase.FAILED, "ejected by the kernel: runnable task stall"),
            HostResult("web-2", "web", Phase.WAITING, "not touched"),
        ),
        Path("/state/run-1.jsonl"),
        ("db",),
    )

    assert run_text(applied).splitlines() == [
        "",
        "RECAP",
        "  web-1: failed: ejected by the kernel: runnable task stall",
        "  web-2: not started: not touched",
        "  goal db: not started",
        "",
        "Run run-1: FAILED and rolled back: every host runs what it ran before.",
        "Journal: /state/run-1.jsonl",
    ]
