# SPDX-License-Identifier: Apache-2.0
"""Progress on standard output whose reader may go away."""

from __future__ import annotations

import os

from fleetsched.cli.progress import Progress, RunConsole
from fleetsched.rollout.run import HostEvent


def test_a_reader_that_goes_away_does_not_end_the_run() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        progress = Progress(RunConsole(file=stream))
        progress.report(HostEvent("lab-1", "staging", "first"))
        assert os.read(reader, 100).decode().endswith("lab-1        staging: first\n")
        os.close(reader)
        progress.report(HostEvent("lab-1", "confirmed", "nobody reads this"))
        progress.report(HostEvent("lab-2", "confirmed", "nor this"))
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # so that closing has nothing to complain of
