# SPDX-License-Identifier: Apache-2.0
"""Notifications over a real HTTP server on loopback, and what goes wrong with them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fleetsched.errors import ExitCode, InputError
from fleetsched.model.controller import Notify, SecretReference
from fleetsched.model.cycle import Cycle, Event, Kind
from fleetsched.reconcile.notify import Notifier, message_form, places

EVENT = Event(
    "2026-01-02T03:04:05Z", Kind.ROLLED_BACK, "c" * 40, "web", 'failed on web-1: "stall"\nline 2', ("web-1",)
)
HEALED = Event("2026-01-02T03:05:05Z", Kind.HEALED, "c" * 40, "web", "web-1 was healed", ("web-1",))
CYCLE = Cycle("2026-01-02T03:04:05Z", 1.0, ExitCode.OK, "done", "c" * 40)


class Receiver(HTTPServer):
    """Takes what is posted and answers as told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[dict[str, Any]] = []
        self.answer = 200


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))
        self.send_response(self.server.answer)
        if self.server.answer == 302:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.got.append({"followed": self.path})

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{server.server_port}/hook")
        yield server
        server.shutdown()


def tell(settings: Notify, *events: Event) -> list[str]:
    complaints: list[str] = []
    Notifier(places([settings]), complaints.append).ended(CYCLE, "", events)
    return complaints


def webhook(**more: Any) -> Notify:
    return Notify("webhook", SecretReference(env="HOOK"), **more)


def test_an_event_is_posted_once_as_json(receiver: Receiver) -> None:
    assert tell(webhook(), EVENT) == []
    (got,) = receiver.got
    assert got["text"].startswith("fleetsched rolled-back goal web at cccccccccccc: failed on web-1")
    assert (got["event"]["kind"], got["event"]["hosts"]) == ("rolled-back", ["web-1"])


def test_only_the_kinds_that_are_asked_for_are_told(receiver: Receiver) -> None:
    assert tell(webhook(on=("healed",)), EVENT, HEALED) == []
    assert [got["event"]["kind"] for got in receiver.got] == ["healed"]


def test_a_template_of_ones_own_makes_the_json(receiver: Receiver, tmp_path: Path) -> None:
    template = tmp_path / "hook.j2"
    template.write_text('{"msg": {{ (event.kind ~ " " ~ event.goal) | tojson }}}')
    assert tell(webhook(template=str(template)), EVENT) == []
    assert receiver.got == [{"msg": "rolled-back web"}]


def test_what_looks_like_a_secret_is_not_told(receiver: Receiver) -> None:
    leaky = Event(EVENT.at, Kind.ERROR, "none", None, "cannot fetch https://bob:hunter22@git.test/x")
    assert tell(webhook(), leaky) == []
    assert "hunter22" not in json.dumps(receiver.got)


@pytest.mark.parametrize(
    ("answer", "said"),
    [(500, "it answered 500"), (404, "it answered 404"), (302, "it answered 302")],
)
def test_a_refusal_is_complained_of_without_the_address_and_stops_nothing(
    receiver: Receiver, answer: int, said: str
) -> None:
    receiver.answer = answer
    assert tell(webhook(), EVENT, HEALED) == [
        f"webhook 1 was not told of {kind}: {said}" for kind in ("rolled-back", "healed")
    ]
    assert len(receiver.got) == 2  # a redirect is not followed


def test_nobody_there_is_complained_of(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/x")
    (said,) = tell(webhook(), EVENT)
    assert said.startswith("webhook 1 was not told of rolled-back: ")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ event.kinds }}", "its template fails: 'dict object' has no attribute 'kinds'"),
        ("{{ event.kind }}", "its template makes no JSON: "),
        ("{{ event.__class__.__mro__ }}", "its template fails: "),
        ("{{ ('x' * 70000) | tojson }}", "its template makes too long a text"),
    ],
)
def test_a_template_that_fails_says_why(template: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        message_form(template)(EVENT)


def test_a_template_that_is_none_is_refused_at_the_start(receiver: Receiver, tmp_path: Path) -> None:
    template = tmp_path / "hook.j2"
    template.write_text("{{ event.")
    with pytest.raises(InputError, match=r"a template of reconcile\.notify is wrong"):
        places([webhook(template=str(template))])


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "hook"])
def test_only_http_is_a_webhook(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HOOK", url)
    with pytest.raises(InputError, match="no http or https URL"):
        places([webhook()])


# apprise imports it, and Python 3.11 says that it will go.
old_import = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@old_import
def test_apprise_tells_by_its_own_urls(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPRISE", f"json://127.0.0.1:{receiver.server_port}/hook")
    assert tell(Notify("apprise", SecretReference(env="APPRISE")), EVENT) == []
    (got,) = receiver.got
    assert (got["title"], "failed on web-1" in got["message"]) == ("fleetsched: rolled-back web", True)
    receiver.answer = 500
    assert tell(Notify("apprise", SecretReference(env="APPRISE")), EVENT) == [
        "apprise 1 was not told of rolled-back: it could not be reached"
    ]


@old_import
def test_an_apprise_url_that_it_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPRISE", "nonsense")
    with pytest.raises(InputError, match="not one that apprise knows"):
        places([Notify("apprise", SecretReference(env="APPRISE"))])
