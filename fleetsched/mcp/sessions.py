# SPDX-License-Identifier: Apache-2.0
"""The tools of each session: a workbench of its own, so that no client works on another's candidates."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fleetsched.mcp.session import Offered

MOST_SESSIONS = 8
"""At the same time, over HTTP: machines of the lab are for one tool at a time, so more would only wait."""
IDLE_S = 1800.0
"""Without a call, after which a session is over."""
ONLY = ""
"""The name of the session where a transport has one client: standard streams."""


@dataclass(slots=True)
class _Session:
    tools: Sequence[Offered]
    used_s: float
    calls: int = 0


class Sessions:
    """Makes the tools of a session when they are first asked for, and forgets them when it is over.

    What a session wrote stays in its run's folder, as of every run.

    Args:
        open_tools: makes the tools of one session, with a workbench and a run's folder of their own.
        clock: seconds of a clock that never goes back.
    """

    def __init__(
        self, open_tools: Callable[[], Sequence[Offered]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open, self._clock = open_tools, clock
        self._known: dict[str, _Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def using(self, name: str) -> Iterator[Sequence[Offered]]:
        """The tools of a session, for one call."""
        with self._lock:
            self._forget_idle()
            session = self._known.get(name)
            if session is None:
                session = self._known[name] = _Session(self._open(), self._clock())
            session.calls += 1
        try:
            yield session.tools
        finally:
            with self._lock:
                session.calls -= 1
                session.used_s = self._clock()

    def end(self, name: str) -> None:
        """Forget a session; a call that runs goes on to its end."""
        with self._lock:
            self._known.pop(name, None)

    def __len__(self) -> int:
        """How many have made or used something."""
        return len(self._known)

    def _forget_idle(self) -> None:
        """The transport ends idle sessions by itself and tells nobody."""
        now_s = self._clock()
        idle = [name for name, each in self._known.items() if not each.calls and now_s - each.used_s > IDLE_S]
        for name in idle:
            del self._known[name]
