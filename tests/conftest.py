# SPDX-License-Identifier: Apache-2.0
"""What holds for every test."""

from __future__ import annotations

import os
import signal

# A shell starts its background jobs with SIGINT ignored, and ignored signals are inherited: tests that
# interrupt processes must not depend on where they were started from.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The jobs of the `make` that runs the tests are not shared with a `make` that a test runs.
os.environ.pop("MAKEFLAGS", None)
