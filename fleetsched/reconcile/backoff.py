# SPDX-License-Identifier: Apache-2.0
"""Waiting longer after each failure of the same thing, so that what cannot work is not tried all the time."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_S = 3600.0
_MOST_DOUBLINGS = 20


@dataclass(slots=True)
class Backoff:
    """How often the newest thing has failed in a row, and when it may be tried again.

    Another thing than the one that failed may be tried at once.

    Attributes:
        interval_s: the first wait; each further one is twice as long, up to an hour.
    """

    interval_s: float
    _what: str = ""
    _failures: int = 0
    _ready_at: float = field(default=0.0)

    def failed(self, what: str, now_s: float) -> None:
        """Note a failure."""
        self._failures = self._failures + 1 if what == self._what else 1
        self._what = what
        self._ready_at = now_s + self.wait_s()

    def worked(self) -> None:
        """Forget all failures."""
        self._what, self._failures = "", 0

    def wait_s(self) -> float:
        """The wait after the failures so far."""
        doublings = min(max(0, self._failures - 1), _MOST_DOUBLINGS)
        return min(MOST_S, self.interval_s * 2.0**doublings)

    def is_ready(self, what: str, now_s: float) -> bool:
        """Whether it may be tried now."""
        return what != self._what or now_s >= self._ready_at
