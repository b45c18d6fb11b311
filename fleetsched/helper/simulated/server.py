# SPDX-License-Identifier: Apache-2.0
"""One connection to a simulated helper: bytes in, bytes out, requests answered in order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleetsched.helper.simulated import upgrade
from fleetsched.helper.simulated.arguments import check
from fleetsched.helper.simulated.host import SimulatedHost
from fleetsched.helper.simulated.observer import observation, require_observer, run_queue
from fleetsched.helper.simulated.refusal import Refusal
from fleetsched.helper.simulated.verbs import VERBS, status, trial
from fleetsched.helper.wire import MAX_CHUNK, MAX_LINE, decode, encode

_CHECK = re.compile(r"[a-z0-9_-]{1,63}")


@dataclass(slots=True)
class _Staging:
    """An object, or a helper, that is arriving."""

    id: int
    verb: str
    arguments: Mapping[str, Any]
    data: bytearray


@dataclass(slots=True)
class _Watching:
    """A watch in progress; times are the host's clock."""

    id: int
    interval: int
    pressure: bool
    checks: list[str]
    started: int
    until: int
    next_look: int
    trial_id: str | None
    seen: tuple[Any, ...]
    run_queue: bool
    told: int


@dataclass(frozen=True, slots=True)
class _Observing:
    """An `observe` in progress; times are the host's clock."""

    id: int
    started: int
    until: int
    top: int


class Session:
    """Answers one connection: `feed` takes bytes, `take` gives the answers, `wake` says when to look again.

    Attributes:
        closed: no more bytes are read; `take` still gives the last answer.
    """

    def __init__(self, host: SimulatedHost) -> None:
        self.closed = False
        self._host = host
        self._input = bytearray()
        self._output = bytearray()
        self._staging: _Staging | None = None
        self._watching: _Watching | None = None
        self._upgrading: Mapping[str, Any] | None = None
        self._observing: _Observing | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes from the client."""
        if not self.closed:
            self._input += data
        self.go_on()

    def take(self) -> bytes:
        """Return and forget what is to be sent."""
        output, self._output = bytes(self._output), bytearray()
        arguments, self._upgrading = self._upgrading, None
        if arguments is not None:
            upgrade.finish(self._host, arguments)  # what was answered is still read
        return output

    def wake(self) -> int | None:
        """Return when what is in progress will speak next, on the host's clock; None when nothing is."""
        if self._observing:
            return self._observing.until
        watching = self._watching
        if watching is None:
            return None
        times = [watching.next_look, watching.until, self._host.next_event()]
        return min(time for time in times if time is not None)

    def go_on(self) -> None:
        """Do everything that can be done with the bytes and the time there are."""
        self._host.settle()
        while not self.closed and self._step():
            pass

    def _step(self) -> bool:
        if self._watching:
            return self._look(self._watching)
        if self._observing:
            return self._observe(self._observing)
        if self._staging:
            return self._chunk(self._staging)
        return self._request()

    def _request(self) -> bool:
        end = self._input.find(b"\n", 0, MAX_LINE)
        if end < 0:
            if len(self._input) >= MAX_LINE:
                self._refuse(0, Refusal("bad-request", "the line is too long", closes=True))
            return False
        line = bytes(self._input[:end])
        del self._input[: end + 1]
        number = 0
        try:
            request = _read(line)
            number = request.pop("id")
            verb = request.pop("verb", None)
            if not isinstance(verb, str):
                raise Refusal("bad-request", "the request lacks its verb")
            check(verb, request)
            self._perform(number, verb, request)
        except Refusal as refusal:
            self._refuse(number, refusal)
        return True

    def _perform(self, number: int, verb: str, arguments: Mapping[str, Any]) -> None:
        if verb == "stage":
            self._stage(number, arguments)
        elif verb == "upgrade":
            self._upgrade(number, arguments)
        elif verb == "watch":
            self._watch(number, arguments)
        elif verb == "observe":
            self._start_observing(number, arguments)
        else:
            self._result(number, VERBS[verb](self._host, arguments))

    def _stage(self, number: int, arguments: Mapping[str, Any]) -> None:
        host, digest = self._host, arguments["digest"]
        present = digest in host.disk.objects
        host.require(present or not host.disk_full, "disk-full", "there is no space left for the object")
        self._result(number, {"present": present})
        if not present:
            self._staging = _Staging(number, "stage", arguments, bytearray())

    def _upgrade(self, number: int, arguments: Mapping[str, Any]) -> None:
        upgrade.may(self._host, arguments)
        present = arguments["digest"] == self._host.sha256
        self._result(number, {"present": present})
        if not present:
            self._staging = _Staging(number, "upgrade", arguments, bytearray())

    def _chunk(self, staging: _Staging) -> bool:
        if len(self._input) < 4:
            return False
        length = int.from_bytes(self._input[:4], "big")
        size = staging.arguments["size"]
        if not 1 <= length <= min(MAX_CHUNK, size - len(staging.data)):
            self._staging = None
            message = f"a chunk of {length} bytes does not fit the object"
            self._refuse(staging.id, Refusal("bad-request", message, closes=True))
            return False
        if len(self._input) < 4 + length:
            return False
        staging.data += self._input[4 : 4 + length]
        del self._input[: 4 + length]
        if len(staging.data) == size:
            self._staging = None
            try:
                self._arrived(staging)
            except Refusal as refusal:
                self._refuse(staging.id, refusal)
        return True

    def _arrived(self, staging: _Staging) -> None:
        host, digest = self._host, hashlib.sha256(staging.data).hexdigest()
        host.require(
            digest == staging.arguments["digest"], "digest-mismatch", f"the bytes have the digest {digest}"
        )
        if staging.verb == "upgrade":
            upgrade.take(host, staging.arguments, bytes(staging.data))
            self._result(staging.id, {"upgrading": True})
            self.closed, self._upgrading = True, staging.arguments
            return
        host.disk.keep(digest, bytes(staging.data), host.trial.attached.assignment if host.trial else None)
        host.log("stage", detail=digest)
        self._result(staging.id, {"staged": True})

    def _watch(self, number: int, arguments: Mapping[str, Any]) -> None:
        host = self._host
        now = host.now()
        if arguments.get("run_queue"):
            require_observer(host)
        self._watching = _Watching(
            id=number,
            interval=arguments["interval_ms"],
            pressure=arguments["pressure"],
            checks=arguments["checks"],
            started=now,
            until=now + arguments["for_ms"],
            next_look=now,
            trial_id=host.trial.id if host.trial else None,
            seen=_visible(host),
            run_queue=arguments.get("run_queue", False),
            told=now,
        )

    def _look(self, watching: _Watching) -> bool:
        host = self._host
        now, seen = host.now(), _visible(host)
        ended = watching.trial_id is not None and (host.trial is None or host.trial.id != watching.trial_id)
        if now >= watching.next_look or seen != watching.seen:
            self._say({"id": watching.id, "event": self._sample(watching)})
            watching.seen, watching.next_look, watching.told = seen, now + watching.interval, now
        if ended or now >= watching.until:
            self._watching = None
            self._result(watching.id, {"ended": "trial" if ended else "time", "status": status(host)})
            return True
        return False

    def _sample(self, watching: _Watching) -> dict[str, Any]:
        host = self._host
        shown = watching.pressure and host.pressure is not None
        return {
            "elapsed_ms": host.now() - watching.started,
            "kernel": host.kernel.to_wire(),
            "trial": trial(host),
            "running": host.attached.to_wire() if host.attached else None,
            "pressure": {"cpu_some_avg10": host.pressure} if shown else None,
            "run_queue": run_queue(host, host.now() - watching.told) if watching.run_queue else None,
            "checks": {name: _check(host, name) for name in watching.checks},
        }

    def _start_observing(self, number: int, arguments: Mapping[str, Any]) -> None:
        host = self._host
        now = host.now()
        require_observer(host)
        host.require(now >= host.observed_until, "busy", "somebody else observes this host at this moment")
        host.observed_until = now + arguments["for_ms"]
        self._observing = _Observing(number, now, host.observed_until, arguments["top"])

    def _observe(self, observing: _Observing) -> bool:
        host = self._host
        if host.now() < observing.until:
            return False
        self._observing = None
        self._result(observing.id, observation(host, host.now() - observing.started, observing.top))
        return True

    def _result(self, number: int, result: Mapping[str, Any]) -> None:
        self._say({"id": number, "ok": True, "result": result})

    def _refuse(self, number: int, refusal: Refusal) -> None:
        self._say({"id": number, "ok": False, "error": refusal.to_wire()})
        self.closed = self.closed or refusal.closes

    def _say(self, message: Mapping[str, Any]) -> None:
        self._output += encode(message)


def _read(line: bytes) -> dict[str, Any]:
    try:
        request = decode(line)
    except ValueError as error:
        raise Refusal("bad-request", f"the line is no request: {error}", closes=True) from error
    number = request.get("id")
    if type(number) is not int or number < 1:
        raise Refusal("bad-request", "the request has no id from 1", closes=True)
    return request


def _check(host: SimulatedHost, name: str) -> dict[str, Any]:
    """Run a check, which must not name a path."""
    status = "missing" if _CHECK.fullmatch(name) else "refused"
    return host.checks.get(name, {"status": status, "exit_code": None, "output": ""})


def _visible(host: SimulatedHost) -> tuple[Any, ...]:
    """What a watcher is told of at once when it changes."""
    return host.trial.id if host.trial else None, host.kernel.ops, host.kernel.enable_seq
