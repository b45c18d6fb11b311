# SPDX-License-Identifier: Apache-2.0
"""What the reconciler prints: a line when something happens, none while nothing does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from fleetsched.model.cycle import Cycle, Event
from fleetsched.model.wording import printable
from fleetsched.rollout.run import HostEvent

_LASTING = frozenset(
    {
        "cannot",
        "enabled",
        "confirmed",
        "failed",
        "unreachable",
        "reverted",
        "interrupted",
        "lease lost",
        "taking over",
    }
)


class Log:
    """Prints through `say`, from any thread."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._last = ""

    def began(self, at: str) -> None:
        """Nothing is said of that."""

    def progress(self, event: HostEvent) -> None:
        """Say what a reader wants to find later."""
        if event.word in _LASTING or event.word.endswith("rolled back"):
            self._print(f"{event.host or 'fleet'}: {event.word}: {event.detail}")

    def ended(self, cycle: Cycle, subject: str, new: Sequence[Event]) -> None:
        """Say what is new, and how the cycle ended unless that is as before."""
        for event in new:
            about = f"goal {event.goal}: " if event.goal else ""
            self._print(f"{event.kind}: {about}{event.text}")
        said = f"revision {cycle.revision[:12]}: {cycle.words}"
        if said != self._last:
            self._last = said
            self._print(said)

    def unpublished(self, why: str) -> None:
        """Say so."""
        self._print(f"not published: {why}")

    def _print(self, text: str) -> None:
        with self._lock, suppress(OSError):  # where it goes to may be full, which stops nothing else
            self._say(printable(text))
