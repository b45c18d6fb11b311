# SPDX-License-Identifier: Apache-2.0
"""Which candidates are worth a final comparison of their own, when the one before has lost. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fleetsched.agent.interface import Candidate


def in_line(best_first: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Leave out what is too much like a better one.

    Of each object two stay: the best of those whose parameters were tuned, and the one with its defaults,
    which no search has fitted to anything. A neighbour of what lost would most likely lose as well.
    """
    kept: dict[object, Candidate] = {}
    for each in best_first:
        kept.setdefault((each.policy, each.variant, each.digest, bool(each.parameters)), each)
    return tuple(kept.values())
