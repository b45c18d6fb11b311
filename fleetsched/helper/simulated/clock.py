# SPDX-License-Identifier: Apache-2.0
"""A clock that stands still until it is told to go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fleetsched.model.timestamp import rfc3339

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """Milliseconds since a fixed moment. With one for each host, no host's wait moves another's time."""

    def __init__(self, now_ms: int = 60_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return the time."""
        return self._now_ms

    def advance(self, milliseconds: int) -> None:
        """Go on; time never goes back."""
        self._now_ms += max(0, milliseconds)

    def time(self, at_ms: int) -> datetime:
        """Say what a host's wall clock shows then."""
        return _EPOCH + timedelta(milliseconds=at_ms)

    def rfc3339(self, at_ms: int) -> str:
        """Write a time as the hosts do."""
        return rfc3339(self.time(at_ms))
