# SPDX-License-Identifier: Apache-2.0
"""Holds one helper to the table: each case on a new connection, to a host that was cleaned before it."""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from fleetsched import schemas
from fleetsched.helper.wire import MAX_CHUNK, MAX_LINE
from fleetsched.transport.interface import Channel
from tests.conformance.patterns import differences
from tests.conformance.signing import signature_of, signed

TABLE = Path(__file__).with_name("table")
REFUSED = Path(__file__).with_name("refused")
"""Sources of objects that are more than a policy, a folder each."""

# Seconds that one answer may take beyond what its request asks for: a host may be starved, or emulated.
_ANSWER_S = 90.0
_LEASE_S = 70.0  # longer than any lease of the table


class MismatchError(AssertionError):
    """The helper answered otherwise than the table says."""


class Unavailable(Exception):  # noqa: N818  not an error: the case cannot be run here
    """A case needs an object or an act that there is none of."""


class Adapter(ABC):
    """What the runner needs to know of the helper in question.

    Attributes:
        objects: bytes of the policies by name.
        acts: what can be done to the host from outside (`needs` of the table).
    """

    objects: Mapping[str, bytes]
    acts: frozenset[str] = frozenset()

    @abstractmethod
    def connect(self) -> Channel:
        """Open a new connection to the helper."""

    def act(self, name: str) -> None:
        """Do one of `acts`."""
        raise NotImplementedError(name)

    def restore(self) -> None:  # noqa: B027  nothing to undo is the usual case
        """Undo what `act` has done; called after each case that acts."""


@cache
def cases() -> list[dict[str, Any]]:
    """Return the table: core.yaml, which also explains the form, then one file a subject."""
    files = sorted(TABLE.glob("*.yaml"), key=lambda file: (file.stem != "core", file.stem))
    return [case for file in files for case in yaml.safe_load(file.read_text(encoding="utf-8"))]


def case_id(case: Mapping[str, Any]) -> str:
    """Return a test's id for a case: its name, without blanks, where lists of tests would cut it off."""
    return str(case["name"]).replace(" ", "-")


def run_case(case: Mapping[str, Any], adapter: Adapter) -> None:
    """Run one case.

    Raises:
        MismatchError: at the first step that goes otherwise.
        Unavailable: this adapter cannot run it.
    """
    staged = case.get("objects", [])
    for name in [*staged, *case.get("objects_at_hand", [])]:
        if name not in adapter.objects:
            raise Unavailable(f"the object {name} is not at hand")
    for act in case.get("needs", []):
        if act not in adapter.acts:
            raise Unavailable(f"nothing here can {act}")
    clean(adapter, sched_ext=bool(staged) or case.get("sched_ext", False))
    conversation = _Conversation(adapter)
    try:
        for name in staged:
            conversation.stage(name)
        for number, step in enumerate(case["steps"], 1):
            conversation.step(f"{case['name']}: step {number}", step)
    finally:
        conversation.close()
        if case.get("needs"):
            adapter.restore()


def clean(adapter: Adapter, *, sched_ext: bool) -> None:
    """Bring the host to where each case starts, by the protocol alone.

    Raises:
        Unavailable: `sched_ext` is needed and the host's kernel does not have it.
    """
    conversation = _Conversation(adapter)
    try:
        if sched_ext and not conversation.ask({"verb": "facts"})["sched_ext"]:
            raise Unavailable("the kernel has no sched_ext")
        status = conversation.ask({"verb": "status"})
        deadline = time.monotonic() + _LEASE_S
        while status["lease"] and time.monotonic() < deadline:
            wait = {"interval_ms": 1000, "for_ms": 1000, "pressure": False, "checks": []}
            status = conversation.ask({"verb": "watch", **wait})["status"]
        for held in conversation.ask({"verb": "stop", "why": "conformance"})["held"]:
            conversation.ask({"verb": "release", "held": held["assignment"]})
    finally:
        conversation.close()


@dataclass
class _Conversation:
    """One connection at a time, with what was remembered of earlier answers."""

    adapter: Adapter
    kept: dict[str, Any] = field(default_factory=dict)
    # Microseconds, because what a host has accepted in an earlier case stays.
    first_serial: int = field(default_factory=lambda: time.time_ns() // 1000)
    number: int = 0
    verb: str = ""
    buffer: bytes = b""
    channel: Channel = field(init=False)

    def __post_init__(self) -> None:
        self.channel = self.adapter.connect()

    def close(self) -> None:
        self.channel.close()

    def ask(self, request: Mapping[str, Any]) -> Any:
        """Send a request that must succeed; its result."""
        events = self._request(request)
        answer = self._last("clean", events, request)
        if not answer["ok"]:
            raise MismatchError(f"{request} was refused: {answer['error']}")
        return answer["result"]

    def stage(self, name: str) -> None:
        """Bring an object that must be on the host."""
        data = self.adapter.objects[name]
        digest = hashlib.sha256(data).hexdigest()
        if not self.ask({"verb": "stage", "digest": digest, "size": len(data)})["present"]:
            self._send_chunks(data)
            self._expect("stage", {"result": {"staged": True}}, self._answer())

    def step(self, where: str, step: Mapping[str, Any]) -> None:
        if "send" in step:
            events = self._request(self._fill(step["send"]))
            last = self._last(where, events, step["send"])
            if "events" in step:
                _compare(f"{where}, events", self._fill(step["events"]), [event["event"] for event in events])
            self._expect(where, step, last)
        elif "raw" in step:
            self.channel.send(_raw(step["raw"]))
            for number, pattern in enumerate(step["answers"]):
                _compare(f"{where}, answer {number + 1}", pattern, self._answer(validated=False))
        elif "chunk" in step:
            self._chunk(where, step)
        elif "act" in step:
            self.adapter.act(step["act"])
        elif "reconnect" in step:
            self.channel.close()
            self.channel, self.buffer = self.adapter.connect(), b""
        elif "closed" in step:
            if self.buffer or self.channel.receive(_ANSWER_S):
                raise MismatchError(f"{where}: the connection is still open")
        else:
            raise ValueError(f"the table has a step of no known kind: {step}")

    def _request(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Send a request; the lines up to and including its answer."""
        self.number += 1
        self.verb = request["verb"]
        message = {"id": self.number, **request}
        _validate(message, "request")
        self.channel.send(json.dumps(message).encode() + b"\n")
        lines = [self._answer(request.get("interval_ms", 0) / 1000)]
        while "event" in lines[-1]:
            lines.append(self._answer(request["interval_ms"] / 1000))
        return lines

    def _last(self, where: str, lines: list[dict[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
        last = lines.pop()
        if any(line["id"] != self.number for line in [*lines, last]):
            raise MismatchError(f"{where}: the answer to {request} has another number: {last}")
        return last

    def _chunk(self, where: str, step: Mapping[str, Any]) -> None:
        chunk = step["chunk"]
        if "length" in chunk:
            self.channel.send(chunk["length"].to_bytes(4, "big"))
        else:
            data = self.adapter.objects[chunk["object"]]
            start = chunk.get("from", 0)
            self._send_chunks(data[start : start + chunk.get("bytes", len(data))])
        if "result" in step or "error" in step:
            self._expect(where, step, self._answer())

    def _send_chunks(self, data: bytes) -> None:
        for start in range(0, len(data), MAX_CHUNK):
            part = data[start : start + MAX_CHUNK]
            self.channel.send(len(part).to_bytes(4, "big") + part)

    def _expect(self, where: str, step: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        for kind in ("result", "error"):
            if kind not in step:
                continue
            if kind not in answer:
                raise MismatchError(f"{where}: wanted {kind} {step[kind]}, got {answer}")
            _compare(f"{where}, {kind}", self._fill(step[kind]), answer[kind])
        for name, path in step.get("keep", {}).items():
            value: Any = answer["result"]
            for key in path.split("."):
                value = value[key]
            self.kept[name] = value

    def _answer(self, longer_s: float = 0.0, *, validated: bool = True) -> dict[str, Any]:
        """Read one line and hold it to the schema."""
        while b"\n" not in self.buffer:
            data = self.channel.receive(_ANSWER_S + longer_s)
            if not data:
                raise MismatchError(f"the connection ended; {self.channel.stderr_tail()}")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        if len(line) >= MAX_LINE:
            raise MismatchError(f"an answer of {len(line)} bytes")
        answer: dict[str, Any] = json.loads(line)
        # The part that says most comes first: of an answer as a whole only its alternatives can be told.
        for part, name in (("event", "sample"), ("error", "error"), ("result", f"result-{self.verb}")):
            if part in answer and (validated or part != "result"):
                _validate(answer[part], name)
        _validate(answer, "answer")
        return answer

    def _fill(self, value: Any) -> Any:
        """Put in what is remembered, assignments, digests and sizes."""
        if isinstance(value, Mapping):
            if "$assignment" in value:
                return self._assignment(value)
            if "$signature-of" in value:
                return signature_of(self.adapter.objects[value["$signature-of"]], value)
            if "$signed" in value:
                request = self._fill({name: part for name, part in value.items() if name != "$signed"})
                return signed(request, self._fill(value["$signed"]), self.first_serial)
            return {key: self._fill(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._fill(part) for part in value]
        if isinstance(value, str) and value.startswith("$"):
            return self._variable(value)
        return value

    def _variable(self, word: str) -> Any:
        kind, _, name = word[1:].partition(".")
        if kind == "digest":
            return hashlib.sha256(self.adapter.objects[name]).hexdigest()
        if kind == "size":
            return len(self.adapter.objects[name])
        return self.kept.get(kind, word)

    def _assignment(self, value: Mapping[str, Any]) -> dict[str, Any]:
        name = value["$assignment"]
        return {
            "policy": name,
            "variant": "default",
            "digest": self._variable(f"$digest.{name}"),
            "parameters": {key: number for key, number in value.items() if key != "$assignment"},
        }


def _compare(where: str, pattern: Any, found: Any) -> None:
    wrong = list(differences(pattern, found))
    if wrong:
        raise MismatchError(f"{where}: " + "; ".join(wrong))


def _raw(raw: str | Mapping[str, Any]) -> bytes:
    if isinstance(raw, str):
        return raw.encode() + b"\n"
    if "hex" in raw:
        return bytes.fromhex(raw["hex"]) + b"\n"
    if "times" in raw:
        return raw["text"].encode() * int(raw["times"]) + b"\n"
    return raw["text"].encode().ljust(raw["padded"]) + b"\n"


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = schemas.load("helper-protocol")
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


def _validate(message: Any, name: str) -> None:
    errors: Sequence[Any] = sorted(_validator(name).iter_errors(message), key=str)
    if errors:
        worst = jsonschema.exceptions.best_match(errors)
        raise MismatchError(f"not a valid {name}: {worst.json_path}: {worst.message}; in {message}")


def names() -> Iterator[str]:
    """Name the cases."""
    return (case["name"] for case in cases())
