# SPDX-License-Identifier: Apache-2.0
"""The talk with a language model: ask, call the tools that it asks for, tell it what came of it, and again.

Nothing happens but what a `Tool` of the toolbox does. How the model can end: with `finish` or `give_up`, by
refusing, or by saying again what leads nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleetsched.agent.anthropic.client import estimated_tokens
from fleetsched.agent.anthropic.model import Block, Model, ModelError, Reply, Request
from fleetsched.agent.anthropic.purse import Purse
from fleetsched.agent.anthropic.replay import recorded
from fleetsched.agent.foreign import bounded
from fleetsched.agent.interface import BudgetSpentError, LabLostError, Toolbox
from fleetsched.agent.tools import FINISH, GIVE_UP, call_tool
from fleetsched.agent.transcript import Record
from fleetsched.model.wording import counted

_LINE, _SHORT = 160, 40  # letters, of a line of progress and of a value in it
MOST_BROKEN = 3  # replies in a row that do not come to their end
_GO_ON = "Go on with the tools. End with finish, or with give_up if nothing is worth proposing."
_TOO_LONG = (
    "Your reply was cut off because it was too long. Nothing of it was carried out. Say less at a time."
)
_NOT_WHOLE = {"error": "the arguments were cut off", "remedy": "call the tool again with all of them"}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a talk ended.

    Attributes:
        how: `finished`, `gave-up` or `refused`.
        answer: arguments of `finish` or `give_up`; else empty.
        text: what the model or the API said at the end; may be empty.
    """

    how: str
    answer: Mapping[str, Any] = field(default_factory=dict, hash=False)
    text: str = ""


class Talk:
    """One talk; `run` is for once."""

    def __init__(
        self,
        model: Model,
        toolbox: Toolbox,
        purse: Purse,
        record: Record,
        say: Callable[[str], None],
    ) -> None:
        self._model, self._toolbox, self._purse = model, toolbox, purse
        self._record, self._say = record, say
        self._tools = [_declared(tool.name, tool.description, tool.parameters) for tool in toolbox]
        self._messages: list[dict[str, Any]] = []
        self._told: set[str] = set()
        self._recorded = 0  # messages that are in the record
        self._counted = self._tokens = 0  # messages that the API has counted, and what they come to

    def run(self, system: str, first: str) -> Ended:
        """Talk until it ends.

        Args:
            system: what the model is told of its work.
            first: what it is asked, with all data in it.

        Raises:
            BudgetSpentError: a budget is used up.
            LabLostError: nothing can be measured any more.
            ModelError: the API does not answer.
            KeyboardInterrupt: somebody wants it to end; what was asked is counted.
        """
        self._record.write("begin", system=system, tools=self._tools)
        self._tell({"type": "text", "text": first})
        while True:
            reply = self._ask(system)
            if reply.stop == "refusal":
                return Ended("refused", text=reply.text)
            if reply.content:
                self._messages.append({"role": "assistant", "content": list(reply.content)})
            if reply.stop == "pause_turn":
                continue
            ended = self._carry_on(reply)
            if ended is not None:
                return ended

    def _carry_on(self, reply: Reply) -> Ended | None:
        """Do what a reply asks for, and prepare what is said next."""
        if reply.stop == "tool_use" and reply.calls:
            return self._call_all(reply)
        cut_off = reply.stop in ("max_tokens", "model_context_window_exceeded")
        note = _TOO_LONG if cut_off else _GO_ON
        if note in self._told:
            why = "its replies are too long" if cut_off else "it ended without an answer"
            return Ended("gave-up", text=reply.text or why)
        self._told.add(note)
        # Every call needs its result, also one that was cut off.
        self._tell(*(_result(call, _NOT_WHOLE) for call in reply.calls), {"type": "text", "text": note})
        return None

    def _ask(self, system: str) -> Reply:
        """Ask until a reply comes to its end."""
        problem, heard = "", self._counted > 0
        for _ in range(MOST_BROKEN):
            try:
                reply = self._ask_once(system)
            except BudgetSpentError as error:
                if heard or not problem:
                    raise
                # Who has never heard an answer has to know that, and not that the time is over.
                raise _unfinished(f"never finished a reply: {problem}; {error.message}") from error
            if reply.stop:
                return reply
            problem, heard = bounded(reply.problem, 200), heard or bool(reply.content)
            self._say(f"the reply broke off: {problem}")
        raise _unfinished(f"broke off its reply {MOST_BROKEN} times: {problem}")

    def _ask_once(self, system: str) -> Reply:
        room = self._purse.room(self._prompt(system))
        request = Request(system, self._tools, self._messages, max_tokens=room)
        news = self._messages[self._recorded :]
        self._recorded = len(self._messages)
        self._record.write("request", max_tokens=request.max_tokens, messages=news)
        reply = self._model.ask(request)
        usd = self._purse.charge(reply.usage)
        self._record.write("reply", message=recorded(reply), usd=str(usd))
        if reply.stop:
            self._counted = len(self._messages) + bool(reply.content)  # the reply becomes the next message
            self._tokens = reply.usage.prompt + reply.usage.output
        self._report(reply)
        if reply.interrupted:
            raise KeyboardInterrupt
        return reply

    def _prompt(self, system: str) -> int:
        """Tokens of the next prompt, rather too many: what is new is a guess, the rest was counted."""
        new = self._messages[self._counted :]
        if not self._counted:
            return estimated_tokens([system, self._tools, new])
        return self._tokens + estimated_tokens(new)

    def _call_all(self, reply: Reply) -> Ended | None:
        results = []
        for call in reply.calls:
            if call["id"] in reply.incomplete:
                answer: Mapping[str, Any] = _NOT_WHOLE
            else:
                answer = call_tool(self._toolbox, call["name"], call["input"])
            self._record.write("tool", name=call["name"], arguments=call["input"], answer=answer)
            self._say(f"{bounded(call['name'], 40)}: {_summary(answer)}")
            self._end_if_spent(answer)
            if "lab" in answer:
                raise LabLostError(answer["error"], remedy=answer.get("remedy", ""))
            if call["name"] in (FINISH, GIVE_UP) and "error" not in answer:
                return Ended("finished" if call["name"] == FINISH else "gave-up", call["input"], reply.text)
            results.append(_result(call, answer))
        self._tell(*results)
        return None

    def _end_if_spent(self, answer: Mapping[str, Any]) -> None:
        """A model that is told that there are no more candidates may still propose one that there is."""
        what = answer.get("budget")
        if what is None:
            return
        if what != "candidates" or what in self._told:
            raise BudgetSpentError(answer["error"], what=what)
        self._told.add(what)

    def _tell(self, *blocks: Block) -> None:
        """Say something to the model; two messages of the same role do not follow each other."""
        if self._messages and self._messages[-1]["role"] == "user":
            last = self._messages.pop()
            self._recorded = min(self._recorded, len(self._messages))
            blocks = (*last["content"], *blocks)
        self._messages.append({"role": "user", "content": list(blocks)})

    def _report(self, reply: Reply) -> None:
        spent = self._purse.spent
        self._say(
            f"the model answered with {counted(reply.usage.output, 'token')} to {reply.usage.prompt:,}; "
            f"${spent.usd:.4f} spent so far"
        )
        if reply.text:
            self._say(bounded(reply.text, 300))


def _unfinished(what: str) -> ModelError:
    return ModelError(
        f"the language model's API {what}",
        remedy="try again later; a gateway in between may change what is answered",
    )


def _declared(name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": description, "input_schema": parameters, "strict": True}


def _result(call: Block, answer: Mapping[str, Any]) -> Block:
    return {
        "type": "tool_result",
        "tool_use_id": call["id"],
        "content": json.dumps(answer),
        "is_error": "error" in answer,
    }


def _summary(answer: Mapping[str, Any]) -> str:
    """An answer in one line for who watches: what is wrong, else its short values."""
    if "error" in answer:
        return bounded(str(answer["error"]), _LINE)
    if answer.get("findings"):
        return bounded(f"{answer['stopped_by']} stopped it: {answer['findings'][0]['message']}", _LINE)
    short = [f"{name} {value}" for name, value in answer.items() if isinstance(value, str | int)]
    return bounded(", ".join(each for each in short if len(each) <= _SHORT), _LINE) or "done"
