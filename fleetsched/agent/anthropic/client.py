# SPDX-License-Identifier: Apache-2.0
"""The one place that reaches the Messages API: plain requests with their whole history, answers streamed.

An answer that the SDK's own types do not know is not acted on (`_strict_response_validation`): what it costs
could not be told, nor what it asks for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from fleetsched.agent.anthropic.faults import explained
from fleetsched.agent.anthropic.middleware import LONGEST_SILENCE_S, Attempts, UnansweredError
from fleetsched.agent.anthropic.model import Block, ModelError, Reply, Request
from fleetsched.agent.prices import Usage
from fleetsched.agent.transcript import Transcript
from fleetsched.errors import InputError
from fleetsched.secrets import hide

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import Message

PUBLIC_URL = "https://api.anthropic.com"
_RETRIES = 4  # 0.5 to 8 s between them, unless the API says how long
_LETTERS_A_TOKEN = 2  # an estimate that is too high rather than too low: C is three or more


class Client:
    """Asks the API.

    Args:
        key: of the API.
        url: its base; empty = `ANTHROPIC_BASE_URL`, else the public one.
        left_s: seconds that the run has left; asked all the time.

    Raises:
        InputError: there is no key, or the SDK is not installed.
    """

    def __init__(
        self,
        model: str,
        key: str,
        url: str,
        transcript: Transcript,
        *,
        left_s: Callable[[], float],
    ) -> None:
        if not key:
            raise InputError(
                "the backend anthropic needs a key, and there is none",
                remedy="set ANTHROPIC_API_KEY, or write agent.key in the controller's file: {file: PATH}",
            )
        hide(key)
        sdk = _sdk()
        self.url = url or os.environ.get("ANTHROPIC_BASE_URL") or PUBLIC_URL
        self._model, self._left_s, self._strict = model, left_s, True
        # The key is given here, so that no profile or token that lies about is used instead.
        self._client = sdk.Anthropic(
            api_key=key,
            base_url=self.url,
            max_retries=_RETRIES,
            timeout=LONGEST_SILENCE_S,
            open_telemetry=False,
            middleware=[Attempts(transcript, left_s)],
            _strict_response_validation=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(self, request: Request) -> Reply:
        """Ask once; the SDK tries again where that helps and costs nothing.

        After Ctrl-C the reply says `interrupted`. A request that nobody answers in time is a reply without an
        end: the API may charge for its prompt.

        Raises:
            ModelError: there is no answer; the message says why, and what to do.
        """
        import anthropic

        hearing = _Hearing(estimated_tokens([request.system, request.tools, request.messages]))
        tools = list(request.tools) if self._strict else [_lax(tool) for tool in request.tools]
        try:
            with self._client.messages.stream(
                model=self._model,
                max_tokens=request.max_tokens,
                system=request.system,
                tools=tools,
                messages=list(request.messages),
                thinking={"type": "adaptive"},
                cache_control={"type": "ephemeral"},
            ) as stream:
                for _ in hearing.events_of(stream):
                    if self._left_s() <= 0:
                        break
        except anthropic.BadRequestError as error:
            if not self._strict or "grammar" not in error.message:
                raise explained(error, self.url) from error
            # Some models take no grammar of this size. Arguments are judged before any tool runs anyway.
            self._strict = False
            return self.ask(request)
        except UnansweredError as error:
            return replace(hearing.reply(), problem=error.message)
        except anthropic.APIError as error:
            raise explained(error, self.url) from error
        except KeyboardInterrupt:
            return replace(hearing.reply(), interrupted=True)
        return hearing.reply()


class _Hearing:
    """What was heard of one answer, so that what it cost is known wherever it ends."""

    def __init__(self, prompt: int) -> None:
        self._prompt = prompt
        self._message: Message | None = None
        self._json: dict[int, str] = {}
        self._letters = 0
        self._problem = ""

    def events_of(self, stream: anthropic.MessageStream[None]) -> Iterator[None]:
        """Hear a stream. How it breaks becomes the reply's problem, since it may have cost something."""
        import anthropic
        import httpx2

        try:
            for event in stream:
                if self._message is not None or event.type == "message_start":
                    self._message = stream.current_message_snapshot
                self._note(event)
                yield
        except (httpx2.HTTPError, ValueError, LookupError, RuntimeError, anthropic.APIError) as error:
            # A connection that ends, JSON that is none, events out of order, or an error in the stream.
            self._problem = f"{type(error).__name__}: {error}"
        else:
            self._problem = "" if self._message and self._message.stop_reason else "the stream ended early"

    def _note(self, event: Any) -> None:
        if event.type != "content_block_delta":
            return
        delta = event.delta
        text = getattr(delta, "text", "") or getattr(delta, "thinking", "")
        if delta.type == "input_json_delta":
            text = delta.partial_json
            self._json[event.index] = self._json.get(event.index, "") + text
        self._letters += len(text)

    def reply(self) -> Reply:
        """What it comes to."""
        if self._message is None:
            return Reply((), "", Usage(cache_write=self._prompt), self._problem or "nothing was answered")
        content = tuple(_plain(block) for block in self._message.content)
        incomplete = frozenset(
            content[index]["id"]
            for index, text in self._json.items()
            if index < len(content) and not _is_json(text)
        )
        ended = self._message.stop_reason if not self._problem else None
        usage = _usage(self._message)
        if ended is None:
            written = max(usage.output, self._letters // _LETTERS_A_TOKEN)
            usage = Usage(usage.input, written, usage.cache_write, usage.cache_read)
            self._problem = self._problem or "it was left before its end"
        return Reply(content, ended or "", usage, self._problem, incomplete)


def estimated_tokens(said: Sequence[Any]) -> int:
    """How many tokens something of a request has at most, guessed from its length."""
    return len(json.dumps(said)) // _LETTERS_A_TOKEN


def _lax(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tool.items() if name != "strict"}


def _usage(message: Message) -> Usage:
    usage = message.usage
    return Usage(
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_creation_input_tokens or 0,
        usage.cache_read_input_tokens or 0,
    )


def _plain(block: Any) -> Block:
    """A block as the API takes it back."""
    value: Mapping[str, Any] = block.to_dict()
    return {name: each for name, each in value.items() if name != "parsed_output" and each is not None}


def _is_json(text: str) -> bool:
    try:
        json.loads(text or "{}")
    except ValueError:
        return False
    return True


def _sdk() -> Any:
    try:
        import anthropic
    except ModuleNotFoundError as error:
        raise ModelError(
            "the backend anthropic needs Anthropic's SDK, which is not installed",
            remedy="pip install 'fleetsched[agent]'",
        ) from error
    return anthropic
