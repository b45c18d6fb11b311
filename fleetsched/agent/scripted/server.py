# SPDX-License-Identifier: Apache-2.0
"""The server: plays one script once, turn by turn, on loopback."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from fleetsched.agent.scripted.judge import expected_faults, protocol_faults
from fleetsched.agent.scripted.script import Answer, Failure, Script, Turn
from fleetsched.agent.scripted.wire import encoded, events, failure, message
from fleetsched.model.wording import counted

_MOST_BYTES = 32 * 1024 * 1024  # what the API takes
_LETTERS_A_TOKEN = 4


class ScriptedServer:
    """One play of one script; to be used with `with`.

    Attributes:
        mismatches: what requests had that the API or the script does not take, in order; each was answered
            with 400 and the same text.
        requests: the bodies that came to `/v1/messages`, in order, retries too.
        headers: their headers, with small letters.
    """

    def __init__(self, script: Script, port: int = 0, say: Callable[[str], None] = lambda line: None) -> None:
        self.script = script
        self.mismatches: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._say = say
        self._turn = self._failed = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _handler(self))

    @property
    def url(self) -> str:
        """The base that the SDK is pointed at."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def done(self) -> bool:
        """Whether every turn was played."""
        return self._turn == len(self.script.turns)

    def serve(self) -> None:
        """Serve until closed."""
        self._server.serve_forever(poll_interval=0.05)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def play(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, Answer | Failure]:
        """Judge one request and give the number of its turn, from 1, and what to answer."""
        with self._lock:
            self.headers.append(headers)
            self.requests.append(body)
            turn = self.script.turns[self._turn] if not self.done else Turn()
            faults = protocol_faults(headers, body) or expected_faults(turn.expect, body)
            if not faults and self.done:
                faults = [f"the script {self.script.name} has ended after {counted(self._turn, 'turn')}"]
            if faults:
                text = f"turn {self._turn + 1}: " + "; ".join(faults)
                self.mismatches.append(text)
                self._say(text)
                return self._turn + 1, Failure(400, "invalid_request_error", text)
            return self._next(turn)

    def _next(self, turn: Turn) -> tuple[int, Answer | Failure]:
        number = self._turn + 1
        if turn.answer is not None:
            self._turn += 1
            return number, turn.answer
        assert turn.fail is not None
        self._failed += 1
        if self._failed == turn.fail.times:
            self._turn, self._failed = self._turn + 1, 0
        return number, turn.fail


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no fault; every other error is a defect, and is told as one."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(played: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            if self.path.split("?")[0] != "/v1/models":
                self._error(404, "not_found_error", self.path)
                return
            model = {
                "id": played.script.model,
                "type": "model",
                "display_name": played.script.model,
                "created_at": "2026-01-01T00:00:00Z",
                "lifecycle": "active",
            }
            page = {"data": [model], "has_more": False, "first_id": model["id"], "last_id": model["id"]}
            self._json(200, page)

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            if length > _MOST_BYTES:
                self._error(413, "request_too_large", "the request is too large")
                return
            body = json.loads(self.rfile.read(length))
            if self.path == "/v1/messages/count_tokens":
                self._json(200, {"input_tokens": len(json.dumps(body)) // _LETTERS_A_TOKEN})
            elif self.path == "/v1/messages":
                headers = {name.lower(): value for name, value in self.headers.items()}
                number, what = played.play(headers, body)
                self._answer(number, what, stream=bool(body.get("stream")))
            else:
                self._error(404, "not_found_error", self.path)

        def _answer(self, number: int, what: Answer | Failure, *, stream: bool) -> None:
            if isinstance(what, Failure):
                extra = {"retry-after": what.retry_after} if what.retry_after else {}
                self._json(what.status, failure(what, _request_id(number)), extra)
                return
            whole = message(what, number, played.script.model)
            if not stream:
                self._json(200, whole, {"request-id": _request_id(number)})
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("request-id", _request_id(number))
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for event in events(what, whole):
                data = encoded(event)
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            if what.cut == 1:
                self.wfile.write(b"0\r\n\r\n")
            else:  # no last chunk: whoever reads sees that something is missing
                self.close_connection = True

        def _error(self, status: int, kind: str, text: str) -> None:
            self._json(status, failure(Failure(status, kind, text), _request_id(0)))

        def _json(self, status: int, value: dict[str, Any], extra: dict[str, str] | None = None) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            for name, content in {"request-id": value.get("request_id", ""), **(extra or {})}.items():
                self.send_header(name, content)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _request_id(number: int) -> str:
    return f"req_scripted_{number:04}"
