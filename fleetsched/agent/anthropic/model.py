# SPDX-License-Identifier: Apache-2.0
"""What is asked of a language model and what comes back, whoever answers: the API or a transcript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fleetsched.agent.prices import Usage
from fleetsched.errors import FleetschedError

Block = Mapping[str, Any]
Message = Mapping[str, Any]


class ModelError(FleetschedError):
    """The API of the language model does not answer, or not in a way that can be used."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `tools` and `messages` are as the Messages API has them."""

    system: str
    tools: Sequence[Mapping[str, Any]] = field(hash=False)
    messages: Sequence[Message] = field(hash=False)
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.

    Attributes:
        content: its blocks, as the API wants them back in the next request.
        stop: why it ended, as the API says it; empty = it did not come to its end, and `problem` says why.
        usage: of a reply without an end it is an estimate, rather too high than too low.
        incomplete: ids of the calls whose arguments are not whole.
        interrupted: by Ctrl-C or SIGTERM; what was heard until then is paid for all the same.
    """

    content: tuple[Block, ...] = field(hash=False)
    stop: str
    usage: Usage
    problem: str = ""
    incomplete: frozenset[str] = frozenset()
    interrupted: bool = False

    @property
    def text(self) -> str:
        """Its text, without thinking and calls."""
        return "\n".join(block["text"] for block in self.content if block["type"] == "text").strip()

    @property
    def calls(self) -> tuple[Block, ...]:
        """The calls of tools that it asks for, in order."""
        return tuple(block for block in self.content if block["type"] == "tool_use")


class Model(Protocol):
    """Who answers."""

    def ask(self, request: Request) -> Reply:
        """Ask once.

        Raises:
            ModelError: there is no answer; the message says why, and what to do.
            BudgetSpentError: the time is over.
        """
        ...
