# SPDX-License-Identifier: Apache-2.0
"""The replies of a transcript in place of the API's, so that a run can be done again without a key."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from fleetsched.agent.anthropic.model import ModelError, Reply, Request
from fleetsched.agent.prices import Usage
from fleetsched.agent.transcript import replies


def recorded(reply: Reply) -> dict[str, Any]:
    """A reply as a transcript has it."""
    usage = reply.usage
    return {
        "content": [dict(block) for block in reply.content],
        "stop": reply.stop,
        "usage": [usage.input, usage.output, usage.cache_write, usage.cache_read],
        "problem": reply.problem,
        "incomplete": sorted(reply.incomplete),
    }


class Replay:
    """Answers with a transcript's replies, in their order, whatever is asked.

    Raises:
        InputError: the file is no transcript.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._replies = file, replies(file)

    def ask(self, request: Request) -> Reply:
        """Give the next reply.

        Raises:
            ModelError: there are no more.
        """
        value = next(self._replies, None)
        if value is None:
            raise ModelError(
                f"{self._file} has no more replies", remedy="the tools answer otherwise than they did then"
            )
        return Reply(
            tuple(value["content"]),
            value["stop"],
            Usage(*value["usage"]),
            value["problem"],
            frozenset(value["incomplete"]),
        )


class Replayed:
    """The record of a replay: the transcript that it comes from, to which nothing is added."""

    def __init__(self, file: Path) -> None:
        self.digest = hashlib.sha256(file.read_bytes()).hexdigest()

    def write(self, kind: str, **fields: Any) -> None:
        """Write nothing."""
