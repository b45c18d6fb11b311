# SPDX-License-Identifier: Apache-2.0
"""A server of loopback that gives prepared answers, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from fleetsched.errors import ConflictError, FleetschedError, RefusedError

REFUSALS = pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (405, RefusedError, "the forge's rules do not let it be: not enough approvals"),
        (409, ConflictError, "it changed at the same time"),
        (401, FleetschedError, "the token is not accepted"),
        (403, FleetschedError, "the token may not"),
        (500, FleetschedError, "the forge failed (HTTP 500)"),
    ],
)
"""What a forge answers to a merge, with the message "not enough approvals", and what is made of it."""


class Canned:
    """The server.

    Attributes:
        answers: status and body by `METHOD /path`, without a query.
        asked: method and path with query, and body, of each request.
        headers: of the last request.
        totals: how many there are, of lists by `METHOD /path`; said in a header.
        says: more headers of every answer.
    """

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.totals: dict[str, int] = {}
        self.says: dict[str, str] = {}
        canned = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None:
                """Say nothing on the terminal."""

            def _handle(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                canned.asked.append((f"{self.command} {self.path}", json.loads(content) if content else None))
                canned.headers = dict(self.headers)
                missing = (404, {"message": "404 Not Found"})
                about = f"{self.command} {urlsplit(self.path).path}"
                status, body = canned.answers.get(about, missing)
                answer = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                if about in canned.totals:
                    self.send_header("X-Total-Count", str(canned.totals[about]))
                for header in canned.says.items():
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PATCH = do_PUT = _handle  # noqa: N815 - names of the base class

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def body_of(self, request: str) -> Any:
        """What was sent with the last request of a method and path."""
        return [body for asked, body in self.asked if asked == request][-1]


@contextmanager
def canned() -> Iterator[Canned]:
    """Serve prepared answers."""
    made = Canned()
    thread = threading.Thread(target=lambda: made.server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()
