# SPDX-License-Identifier: Apache-2.0
"""The conformance table on all hosts of the lab side by side: a case mostly waits for a deadline to pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from tests.conformance.runner import Adapter, run_case


@contextmanager
def spread(
    table: Sequence[Mapping[str, Any]], adapters: Sequence[Adapter]
) -> Iterator[dict[str, Future[None]]]:
    """Start all cases, each on the next host that is free; inside, each case's future by its name.

    The longest come first, so that no host is left with one when the others have nothing to do any more.
    Leaving waits for those that run, and drops those that have not begun.
    """
    free: SimpleQueue[Adapter] = SimpleQueue()
    for adapter in adapters:
        free.put(adapter)

    def run(case: Mapping[str, Any]) -> None:
        adapter = free.get()
        try:
            run_case(case, adapter)
        finally:
            free.put(adapter)

    executor = ThreadPoolExecutor(len(adapters), thread_name_prefix="case")
    try:
        longest_first = sorted(table, key=_watched_ms, reverse=True)
        yield {case["name"]: executor.submit(run, case) for case in longest_first}
    finally:
        executor.shutdown(cancel_futures=True)


def _watched_ms(case: Mapping[str, Any]) -> int:
    """How long a case looks on at most."""
    return sum(step.get("send", {}).get("for_ms", 0) for step in case["steps"])
