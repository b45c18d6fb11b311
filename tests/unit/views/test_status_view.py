# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from fleetsched.model.plan import Observed
from fleetsched.model.state import HeldBy
from fleetsched.views.status import status_text
from tests.unit.builders import STALL, assignment, enabled, facts, held, record, running, status, trial

FAIR = assignment("fair", slice_us=3000)
OBSERVED = {
    "web-1": Observed(
        status(kernel=enabled("fair", 3), running=running(FAIR, 3), last_known_good=record(FAIR)), facts()
    ),
    "web-2": Observed(
        status(
            kernel=enabled("fair", 2),
            running=running(FAIR, 2),
            trial=trial(FAIR),
            held=(held(assignment("batch", slice_us=20000)),),
            lease=HeldBy("ann@desk", 90_000),
        ),
        facts(),
    ),
    "web-3": Observed(status(foreign="scx_rusty", kernel=enabled("scx_rusty")), facts()),
    "web-4": Observed(status(voided=record(FAIR), voided_exit=STALL), facts()),
    "web-5": Observed(error="web-5: no answer"),
    "web-6": Observed(helper_missing=True),
}


def test_status_reads_as_agreed() -> None:
    assert status_text(OBSERVED).splitlines() == [
        "web-1  enabled fair, enable_seq 3: fair@aaaaaaaa",
        "       last known good fair@aaaaaaaa, revision cccccccccccc",
        "       confirmed by run run-1",
        "web-2  enabled fair, enable_seq 2: fair@aaaaaaaa",
        "       on trial fair@aaaaaaaa, ends by itself in 60 s",
        "       held batch@aaaaaaaa (slice_us 20000): runnable task stall:",
        "         kworker/0:1[42] failed to run for 5.2s",
        "       leased to ann@desk for 90 s",
        "web-3  enabled scx_rusty, enable_seq 1: scx_rusty",
        "       foreign scheduler: scx_rusty",
        "web-4  disabled, enable_seq 0: the kernel's scheduler",
        "       voided fair@aaaaaaaa: runnable task stall: kworker/0:1[42] failed to run",
        "         for 5.2s",
        "web-5  unknown: web-5: no answer",
        "web-6  no helper",
    ]
