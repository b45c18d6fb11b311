# SPDX-License-Identifier: Apache-2.0
"""How a talk goes on and how it ends, by what the replies say, without any HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fleetsched.agent.anthropic.model import ModelError, Reply, Request
from fleetsched.agent.anthropic.purse import LEAST_REPLY, MOST_REPLY, Purse
from fleetsched.agent.anthropic.talk import Ended, Talk
from fleetsched.agent.budget import Meter
from fleetsched.agent.interface import BudgetSpentError, Tool
from fleetsched.agent.prices import Usage, prices_of
from fleetsched.agent.transcript import Transcript
from fleetsched.model.controller import Budget

USAGE = Usage(input=1000, output=100)
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
TOOLS = tuple(
    Tool(name, f"does {name}", SCHEMA, lambda given: {"fine": True}) for name in ("look", "finish", "give_up")
)


def reply(stop: str, *names: str, text: str = "", incomplete: bool = False) -> Reply:
    calls = [{"type": "tool_use", "id": f"t{i}", "name": name, "input": {}} for i, name in enumerate(names)]
    said = [{"type": "text", "text": text}] if text else []
    ids = frozenset(call["id"] for call in calls) if incomplete else frozenset()
    return Reply((*said, *calls), stop, USAGE, "" if stop else "gone", ids)


class Answers:
    """A model that gives replies in order, and keeps what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = iter(replies)
        self.asked: list[list[Mapping[str, Any]]] = []
        self.allowed: list[int] = []

    def ask(self, request: Request) -> Reply:
        self.asked.append(list(request.messages))
        self.allowed.append(request.max_tokens)
        return next(self._replies)


def talk(model: Answers, folder: Path, budget: Budget | None = None) -> Ended:
    purse = Purse(Meter(budget or Budget(), lambda: 0.0), prices_of("claude-sonnet-5-5", None))
    with Transcript(folder) as record:
        return Talk(model, TOOLS, purse, record, lambda line: None).run("be good", "hello")


FINISH = reply("tool_use", "finish")


@pytest.mark.parametrize(
    ("replies", "ended"),
    [
        ([FINISH], Ended("finished")),
        ([reply("tool_use", "look", "look"), FINISH], Ended("finished")),
        ([reply("tool_use", "give_up", "finish")], Ended("gave-up")),
        ([reply("refusal", text="no")], Ended("refused", text="no")),
        ([reply("end_turn", text="so"), FINISH], Ended("finished")),
        ([reply("end_turn"), FINISH], Ended("finished")),
        ([reply("end_turn", text="so"), reply("end_turn", text="well")], Ended("gave-up", text="well")),
        ([reply("end_turn"), reply("end_turn")], Ended("gave-up", text="it ended without an answer")),
        ([reply("max_tokens", "finish"), FINISH], Ended("finished")),
        ([reply("max_tokens"), reply("max_tokens")], Ended("gave-up", text="its replies are too long")),
        ([reply("model_context_window_exceeded", text="a"), FINISH], Ended("finished")),
        ([reply("max_tokens"), reply("end_turn"), FINISH], Ended("finished")),
        ([reply("pause_turn", text="wait"), FINISH], Ended("finished")),
        ([reply("tool_use"), FINISH], Ended("finished")),
        ([reply("tool_use", "finish", incomplete=True), FINISH], Ended("finished")),
        ([reply(""), reply(""), FINISH], Ended("finished")),
    ],
)
def test_a_talk_ends_when_the_model_does(replies: list[Reply], ended: Ended, tmp_path: Path) -> None:
    model = Answers(*replies)
    assert talk(model, tmp_path) == ended
    assert len(model.asked) == len(replies)


def test_every_call_of_a_reply_that_was_cut_off_gets_an_error_and_none_is_made(tmp_path: Path) -> None:
    model = Answers(reply("max_tokens", "finish", "look"), FINISH)
    talk(model, tmp_path)
    *results, note = model.asked[1][-1]["content"]
    assert [(each["tool_use_id"], each["is_error"]) for each in results] == [("t0", True), ("t1", True)]
    assert note["text"].startswith("Your reply was cut off")


def test_two_messages_of_the_same_role_never_follow_each_other(tmp_path: Path) -> None:
    model = Answers(reply("end_turn"), FINISH)  # a reply of nothing is no message
    talk(model, tmp_path)
    (only,) = model.asked[1]
    assert [block["text"].split(".")[0] for block in only["content"]] == ["hello", "Go on with the tools"]


def test_a_reply_that_never_ends_is_given_up_after_three_times(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="broke off its reply 3 times: gone"):
        talk(Answers(*[reply("")] * 3), tmp_path)


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ([reply("")], "never finished a reply: gone; the budget of 60 s is spent"),
        ([reply("tool_use", "look"), reply("")], "the budget of 60 s is spent"),
    ],
)
def test_an_api_that_never_answers_is_not_taken_for_time_that_is_spent(
    replies: list[Reply], error: str, tmp_path: Path
) -> None:
    model = Answers(*replies)

    def clock() -> float:
        return 70.0 if len(model.asked) == len(replies) else 0.0

    purse = Purse(Meter(Budget(wall_s=60), clock), prices_of("claude-sonnet-5-5", None))
    kind = BudgetSpentError if len(replies) > 1 else ModelError
    with Transcript(tmp_path) as record, pytest.raises(kind, match=error):
        Talk(model, TOOLS, purse, record, lambda line: None).run("be good", "hello")
    assert purse.spent.tokens_in == 1000 * len(replies)


@pytest.mark.parametrize(
    ("budget", "allowed"),
    [
        (Budget(), MOST_REPLY),
        (Budget(usd=0.1), 9000),
        (Budget(tokens=10_000), 9000),
    ],
)
def test_a_reply_may_be_as_long_as_the_budget_bears(budget: Budget, allowed: int, tmp_path: Path) -> None:
    model = Answers(FINISH)
    talk(model, tmp_path, budget)
    assert allowed * 0.9 < model.allowed[0] <= allowed + 1000


@pytest.mark.parametrize(
    ("budget", "what"), [(Budget(tokens=LEAST_REPLY), "tokens"), (Budget(usd=0.01), "usd")]
)
def test_nothing_is_asked_that_the_budget_does_not_bear(budget: Budget, what: str, tmp_path: Path) -> None:
    model = Answers()
    with pytest.raises(BudgetSpentError) as caught:
        talk(model, tmp_path, budget)
    assert caught.value.what == what
    assert model.asked == []
