# SPDX-License-Identifier: Apache-2.0
"""The controller's end of the helper's protocol: one method a verb, values of the model in and out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import fleetsched
from fleetsched.errors import HelperError
from fleetsched.helper.exchange import Exchange
from fleetsched.helper.wire import OLDEST_PROTOCOL, PROTOCOL, TOO_OLD_REMEDY, chunks
from fleetsched.model.assignment import Assignment
from fleetsched.model.observation import Observation
from fleetsched.model.program import Program
from fleetsched.model.state import Facts, HistoryEntry, Sample, Status, Trial
from fleetsched.model.statement import Signed
from fleetsched.transport.interface import Channel

# Seconds that each verb may take. `try` loads, detaches and attaches: seconds on a busy or an emulated host.
# `hello` covers the start of the login shell and of sudo, too.
_TIMEOUT_S = {
    "hello": 60.0,
    "facts": 30.0,
    "status": 30.0,
    "lease": 30.0,
    "release": 30.0,
    "stage": 120.0,
    "upgrade": 240.0,
    "try": 180.0,
    "confirm": 60.0,
    "revert": 120.0,
    "stop": 120.0,
    "history": 60.0,
}
# A host whose tasks a bad policy starves says nothing until the kernel ejects it.
_WATCH_SLACK_S = 60.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Hello:
    """Which helper answers, and which boot of the host this is.

    Attributes:
        protocol: the version that both sides speak from here on.
        helper: the helper's own version, "0.1.0".
        boot_id: of the host.
        sha256: digest of the helper's bytes, 64 hex digits; empty with protocol 1.
    """

    protocol: int
    helper: str
    boot_id: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to change a host. A later lease has a greater token."""

    token: int
    expires_in_ms: int


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial that has begun; `window_ms`: how long the kernel's own scheduler ran between two policies."""

    trial: Trial
    window_ms: int


@dataclass(frozen=True, slots=True)
class WatchEnd:
    """The end of a watch, because of its `time` or because the `trial` ended, and the host's status then."""

    ended: str
    status: Status


class HelperClient:
    """Talks to one host's helper over one channel; one thread at a time.

    Every method raises:
        HelperError: the helper refused (`code` is the protocol's), or answered unreadably (`bad-answer`).
        LeaseHeldError: another run holds the host's lease; the message names it (protocol: `lease-held`).
        UnreachableError: no answer in time or the connection was lost; what the host did is then unknown.
        BecomeError: the first call only; sudo refused to start the helper's `rpc`.
    """

    def __init__(self, channel: Channel, host: str) -> None:
        self.greeting: Hello | None = None
        self._exchange = Exchange(channel, host)

    @property
    def host(self) -> str:
        """Name of the host in the inventory."""
        return self._exchange.host

    def close(self) -> None:
        """Close the channel. The host goes on: trials run to their own deadline."""
        self._exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def hello(self) -> Hello:
        """Agree on the protocol: the greatest version that both speak. The answer is kept as `greeting`."""
        try:
            self.greeting = self._hello(PROTOCOL)
        except HelperError as error:
            if error.code != "protocol-version":
                raise
            self.greeting = self._hello(OLDEST_PROTOCOL)  # helpers of that version know no other
        return self.greeting

    def _hello(self, protocol: int) -> Hello:
        return self._call(
            "hello",
            lambda r: Hello(_spoken(r["protocol"]), r["helper"], r["boot_id"], r.get("sha256", "")),
            protocol=protocol,
            client=f"fleetsched {fleetsched.__version__}",
        )

    def need_protocol(self, version: int, what: str) -> None:
        """Refuse what an older helper does not have. `what`: the verb or argument, for the message.

        Raises:
            HelperError: `protocol-version`.
        """
        if self.greeting is not None and self.greeting.protocol < version:
            raise HelperError(
                f"{self.host}: its helper {self.greeting.helper} speaks protocol {self.greeting.protocol}; "
                f"{what} needs {version}",
                code="protocol-version",
                remedy=TOO_OLD_REMEDY,
            )

    def facts(self) -> Facts:
        """Ask what the host is, and whether sched_ext can be used on it."""
        return self._call("facts", Facts.from_wire)

    def status(self) -> Status:
        """Ask what the host runs and remembers."""
        return self._call("status", Status.from_wire)

    def lease(self, owner: str, ttl_s: float, *, token: int | None = None) -> Lease:
        """Take the lease for `ttl_s` seconds (at most an hour), or renew the one that `token` names."""
        return self._call(
            "lease",
            lambda r: Lease(r["token"], r["expires_in_ms"]),
            owner=owner,
            ttl_ms=round(ttl_s * 1000),
            token=token,
        )

    def release_lease(self, token: int) -> None:
        """Give the lease back."""
        self._call("release", _nothing, token=token)

    def release_held(self, assignment: Assignment) -> None:
        """Let an assignment be tried again that failed here before."""
        self._call("release", _nothing, held=assignment.to_wire())

    def stage(self, digest: str, data: bytes) -> bool:
        """Bring an object to the host, unless it is there. Returns whether it had to be sent."""
        return self._send_bytes("stage", {"digest": digest, "size": len(data)}, data, "staged")

    def _send_bytes(self, verb: str, arguments: Mapping[str, Any], data: bytes, done: str) -> bool:
        """Ask with the digest, and send the bytes unless they are there. `done`: key of the second answer."""
        given = {name: value for name, value in arguments.items() if value is not None}
        self._exchange.ask(verb, given)
        if self._read(verb, lambda r: bool(r["present"])):
            return False
        for chunk in chunks(data):
            self._exchange.send(chunk, verb)
        return self._read(verb, lambda r: bool(r[done]))

    def upgrade(
        self, data: bytes, *, version: str, signature: str | None = None, token: int | None = None
    ) -> bool:
        """Send another helper, which takes over when it has proved itself; else this one comes back.

        The connection ends with it. `history` of a new one tells the end: `upgraded` or `upgrade-failed`.

        Returns:
            Whether it had to be sent; else exactly this helper answers already.
        """
        self.need_protocol(2, "`upgrade`")
        arguments = {
            "digest": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "version": version,
            "signature": signature,
            "token": token,
        }
        return self._send_bytes("upgrade", arguments, data, "upgrading")

    def try_(
        self,
        assignment: Assignment,
        *,
        deadline_s: float,
        run: str,
        revision: str,
        token: int | None = None,
        hold: str | None = None,
        signed: Signed | None = None,
        program: Program | None = None,
    ) -> Tried:
        """Attach a policy on trial; unconfirmed after `deadline_s`, the host goes back by itself.

        `program`: what is started, for a policy of `kind: program`; without it, the object was staged before.

        `hold`: when the trial is confirmed, the policy that it replaces is held, with this reason.
        `signed`: for a host that takes only signed assignments; helpers of before do not know it.
        """
        if signed:
            self.need_protocol(2, "a signed assignment")
        if program:
            self.need_protocol(2, "a policy of `kind: program`")
        return self._call(
            "try",
            lambda r: Tried(_some(Trial.from_wire(r["trial"])), r["window_ms"]),
            assignment=assignment.to_wire(),
            deadline_ms=round(deadline_s * 1000),
            run=run,
            revision=revision,
            token=token,
            hold=hold,
            statement=signed.statement if signed else None,
            signature=signed.signature if signed else None,
            program=program.to_wire() if program else None,
        )

    def watch(
        self,
        *,
        interval_s: float,
        for_s: float,
        pressure: bool = False,
        run_queue: bool = False,
        checks: Sequence[str] = (),
    ) -> Iterator[Sample | WatchEnd]:
        """Look at the host at once, then each `interval_s`, and whenever something changes.

        `pressure`, `run_queue`: whether samples also say how busy the CPUs are, and how long tasks waited.

        Yields:
            Samples, and as the last item one WatchEnd. Who stops before it can no longer use this client.
        """
        if run_queue:
            self.need_protocol(2, "run-queue latency")
        interval_ms = round(interval_s * 1000)
        arguments = {
            "interval_ms": interval_ms,
            "for_ms": round(for_s * 1000),
            "pressure": pressure,
            "checks": [*checks],
            **({"run_queue": True} if run_queue else {}),  # a helper that does not know it is not asked
        }
        self._exchange.ask("watch", arguments)
        try:
            while True:
                kind, value = self._exchange.event_or_result("watch", interval_s + _WATCH_SLACK_S)
                if kind == "result":
                    break
                yield self._parse("watch", Sample.from_wire, value)
        except GeneratorExit:
            self._exchange.abandon("watch")
            raise
        yield self._parse("watch", lambda r: WatchEnd(r["ended"], Status.from_wire(r["status"])), value)

    def observe(self, *, for_s: float, top: int) -> Observation:
        """Count for `for_s` (0.1 to 60) how long tasks wait and run; the `top` (at most 64) keys by time."""
        self.need_protocol(2, "`observe`")
        self._exchange.ask("observe", {"for_ms": round(for_s * 1000), "top": top})
        return self._parse(
            "observe", Observation.from_wire, self._exchange.result("observe", for_s + _WATCH_SLACK_S)
        )

    def confirm(self, trial_id: str, token: int | None = None) -> Status:
        """Make the policy on trial the last known good."""
        return self._call("confirm", Status.from_wire, trial=trial_id, token=token)

    def revert(self, trial_id: str, why: str, token: int | None = None, *, hold: bool = True) -> Status:
        """End a trial now; the last known good is back when this returns. `hold`: it is not tried again."""
        return self._call("revert", Status.from_wire, trial=trial_id, why=why, token=token, hold=hold)

    def stop(self, why: str, token: int | None = None, *, hold: str | None = None) -> Status:
        """Give the host back to the kernel's own scheduler and forget the last known good.

        `hold`: what it ran is held, with this reason.
        """
        return self._call("stop", Status.from_wire, why=why, token=token, hold=hold)

    def history(self, limit: int = 200) -> tuple[HistoryEntry, ...]:
        """Return the host's newest `limit` (at most 200) entries, oldest first."""
        return self._call("history", lambda r: tuple(map(HistoryEntry.from_wire, r["entries"])), limit=limit)

    def _call(self, verb: str, read: Callable[[Mapping[str, Any]], _T], **arguments: Any) -> _T:
        given = {name: value for name, value in arguments.items() if value is not None}
        self._exchange.ask(verb, given)
        return self._read(verb, read)

    def _read(self, verb: str, read: Callable[[Mapping[str, Any]], _T]) -> _T:
        return self._parse(verb, read, self._exchange.result(verb, _TIMEOUT_S[verb]))

    def _parse(self, verb: str, read: Callable[[Mapping[str, Any]], _T], value: Mapping[str, Any]) -> _T:
        """Make a value of an answer. A field that is absent or of another shape is the host's fault."""
        try:
            return read(value)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._exchange.unreadable(verb, f"{error!r} in {value}") from error


def _nothing(_: Mapping[str, Any]) -> None:
    return None


def _spoken(protocol: int) -> int:
    if not OLDEST_PROTOCOL <= protocol <= PROTOCOL:
        raise ValueError(f"protocol {protocol}")
    return protocol


def _some(trial: Trial | None) -> Trial:
    if trial is None:
        raise ValueError("trial is null")
    return trial


__all__ = ["Hello", "HelperClient", "HelperError", "Lease", "Tried", "WatchEnd"]
