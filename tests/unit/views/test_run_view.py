# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import ExitCode
from fleetsched.model.rollout import Batch, Phase
from fleetsched.model.run import Applied, HostResult, Outlook
from fleetsched.views.run import outlook_text, run_text, verdict

STALLED = HostResult("web-1", "web", Phase.FAILED, "ejected by the kernel: runnable task stall", tried=True)
CONFIRMED = HostResult("web-2", "web", Phase.CONFIRMED, "fair@aaaaaaaa, enable_seq 1", tried=True)
BACK = HostResult("web-3", "web", Phase.ROLLED_BACK, "runs batch@aaaaaaaa again", tried=True)
STUCK = HostResult("web-3", "web", Phase.NOT_ROLLED_BACK, "no answer", tried=True)
CANNOT = HostResult("web-4", "web", Phase.CANNOT, "kernel 6.1 has no sched_ext")
SILENT = HostResult("web-5", "web", Phase.UNREACHABLE, "no answer")
WAITING = HostResult("web-6", "web", Phase.WAITING, "not touched")


def ended(code: ExitCode, *hosts: HostResult) -> Applied:
    return Applied("run-1", code, hosts, Path("/state/run-1.jsonl"), ("db",))


def test_failed_run_says_what_happened_where_and_that_it_was_undone() -> None:
    assert run_text(ended(ExitCode.ROLLED_BACK, STALLED, WAITING)).splitlines() == [
        "",
        "RECAP",
        "  web-1: failed: ejected by the kernel: runnable task stall",
        "  web-6: not started: not touched",
        "  goal db: not started",
        "",
        "Run run-1: FAILED and rolled back: every host runs what it ran before.",
        "Journal: /state/run-1.jsonl",
    ]


@pytest.mark.parametrize(
    ("code", "hosts", "said"),
    [
        (ExitCode.OK, [CONFIRMED], "done"),
        (
            ExitCode.ROLLED_BACK,
            [STALLED, BACK],
            "FAILED and rolled back: every host runs what it ran before",
        ),
        (
            ExitCode.ROLLED_BACK,
            [CANNOT, WAITING],
            "FAILED, nothing was changed: more hosts cannot than the failure budget allows",
        ),
        (ExitCode.ROLLED_BACK, [CANNOT, CONFIRMED], "done, except for 1 host that cannot"),
        (
            ExitCode.ROLLED_BACK,
            [STALLED, CONFIRMED],
            "FAILED: 1 host runs what it ran before, 1 confirmed",
        ),
        (
            ExitCode.ROLLED_BACK,
            [STALLED, BACK, CONFIRMED, CONFIRMED],
            "FAILED: 2 hosts run what they ran before, 2 confirmed",
        ),
        (
            ExitCode.NOT_ROLLED_BACK,
            [STALLED, STUCK],
            "FAILED and NOT rolled back: look at the hosts above",
        ),
        (
            ExitCode.NOT_ROLLED_BACK,
            [STALLED, CONFIRMED],
            "FAILED and stopped, as the strategy says: what is confirmed stays",
        ),
        (ExitCode.UNREACHABLE, [SILENT, WAITING], "nothing was changed: hosts did not answer"),
        (ExitCode.UNREACHABLE, [SILENT, CONFIRMED], "done, except for hosts that did not answer"),
        (ExitCode.PAUSED, [WAITING], "nothing was changed: goals wait for others"),
        (ExitCode.PAUSED, [CONFIRMED, WAITING], "done, except for goals that wait for others"),
        (ExitCode.INTERRUPTED, [WAITING], "interrupted, nothing was changed"),
        (
            ExitCode.INTERRUPTED,
            [CONFIRMED, WAITING],
            "interrupted: what is confirmed stays; `fleetsched apply` goes on from here",
        ),
    ],
)
def test_verdict_is_true_to_what_happened(code: ExitCode, hosts: list[HostResult], said: str) -> None:
    assert verdict(ended(code, *hosts)) == said


def test_check_reads_as_agreed() -> None:
    outlooks = [
        Outlook("web", (Batch(("web-1",), 30.0), Batch(tuple(f"web-{n}" for n in range(2, 16)), 60.0))),
        Outlook("db", (), "waits for goal web"),
        Outlook(None, (Batch(("old-1",), 30.0),)),
    ]
    assert outlook_text(outlooks).splitlines() == [
        "Check: no host was changed. A run would begin like this:",
        "  goal web:",
        "    step 1: web-1, each watched for 30 s",
        "    step 2: web-2, web-3, web-4, web-5, web-6, web-7, web-8, web-9, web-10,",
        "      web-11, web-12, web-13, web-14, web-15, each watched for 60 s",
        "  goal db:",
        "    not started: waits for goal web",
        "  hosts that no goal claims:",
        "    step 1: old-1, each watched for 30 s",
    ]
    assert outlook_text([]) == "Check: no host was changed, and a run would change none."
