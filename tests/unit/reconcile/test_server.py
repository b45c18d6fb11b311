# SPDX-License-Identifier: Apache-2.0
"""The real server on loopback: views, headers, readiness, metrics, news and the webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import queue
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fleetsched.errors import ExitCode, FleetschedError
from fleetsched.model.cycle import Cycle, Event, Kind
from fleetsched.model.fleet import Fleet
from fleetsched.model.plan import Plan, plan_hosts
from fleetsched.reconcile.board import Board, dossiers_of
from fleetsched.reconcile.metrics import Metrics
from fleetsched.reconcile.server import Server, Site
from fleetsched.rollout.run import HostEvent
from fleetsched.shipped import shipped_root
from tests.unit.views.standings import AT, HOSTS, REVISION

SECRET = "webhook secret"
APPLIED = Event(AT, Kind.APPLIED, REVISION, "web", "web-1 runs interactive", ("web-1",), "run-1")


@dataclass
class Served:
    """A running server, and what it wakes."""

    board: Board
    metrics: Metrics
    port: int
    woken: queue.SimpleQueue[None]
    clock: list[float]

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        return self.ask("GET", path, b"", headers)

    def ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read().decode()
        finally:
            connection.close()

    def post(self, body: bytes, secret: str | None = SECRET) -> int:
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() if secret is not None else ""
        return self.ask("POST", "/webhook", body, {"X-Hub-Signature-256": f"sha256={signature}"})[0]

    def cycle(self, *events: Event, code: ExitCode = ExitCode.OK) -> None:
        for watcher in (self.board, self.metrics):
            watcher.began(AT)
            watcher.ended(a_cycle(code), "a subject", events)


def a_cycle(code: ExitCode = ExitCode.OK) -> Cycle:
    desired = {name: each for name, (each, _) in HOSTS.items()}
    observed = {name: each for name, (_, each) in HOSTS.items()}
    plan = Plan(REVISION, plan_hosts(desired, observed))
    return Cycle(AT, 2.5, code, "done", REVISION, fleet=Fleet(shipped_root()), plan=plan, observed=observed)


@pytest.fixture
def served() -> Iterator[Served]:
    clock = [1000.0]
    board = Board(60, (), lambda: dossiers_of(shipped_root()), lambda: clock[0])
    metrics, woken = Metrics(), queue.SimpleQueue[None]()
    with Server(Site(board, metrics, lambda: woken.put(None), SECRET), "127.0.0.1:0") as server:
        yield Served(board, metrics, server.port, woken, clock)


VIEWS = [
    "/",
    "/groups/web",
    "/groups/-",
    "/hosts/web-1",
    "/rollouts",
    "/drift",
    "/held",
    "/history",
    "/policies",
]


@pytest.mark.parametrize("path", VIEWS)
def test_every_view_is_served_for_nobody_to_embed_or_script(served: Served, path: str) -> None:
    served.cycle(APPLIED)
    code, headers, text = served.get(path)
    assert (code, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "a subject" in text
    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


def test_a_policys_page_may_use_its_own_style_alone(served: Served) -> None:
    served.cycle()
    code, headers, text = served.get("/policies/interactive")
    own = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert own
    digest = base64.b64encode(hashlib.sha256(own[1].encode()).digest()).decode()
    assert (code, f"style-src 'sha256-{digest}';" in headers["content-security-policy"]) == (200, True)
    assert "<svg" in text
    assert '<a href="/policies">' in text


@pytest.mark.parametrize(
    "path", ["/groups/x", "/hosts/x", "/policies/x", "/policies/..%2f..", "/x", "/.git/config"]
)
def test_what_is_not_there_is_404_with_a_way_back(served: Served, path: str) -> None:
    code, _, text = served.get(path)
    assert (code, '<a href="/">' in text) == (404, True)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(served: Served, method: str) -> None:
    assert [served.ask(method, path, b"", {})[0] for path in ("/", "/hosts/web-1", "/metrics")] == [405] * 3


def test_it_is_ready_while_cycles_go_on(served: Served) -> None:
    assert (served.get("/healthz")[0], served.get("/readyz")[0]) == (200, 503)
    served.cycle()
    assert served.get("/readyz")[0] == 200
    served.clock[0] += 179
    assert served.get("/readyz")[0] == 200
    served.clock[0] += 1
    assert (served.get("/readyz")[0], served.get("/healthz")[0]) == (503, 200)
    served.board.progress(HostEvent("web-1", "baking", "a long bake"))
    assert served.get("/readyz")[0] == 200


def test_a_rollout_in_progress_is_shown_and_gone_at_its_end(served: Served) -> None:
    served.cycle()
    served.board.progress(HostEvent("web-2", "baking", "3 of 15 s"))
    assert "3 of 15 s" in served.get("/rollouts")[2]
    served.cycle(APPLIED)
    assert "None is in progress" in served.get("/rollouts")[2]
    assert "web-1 runs interactive" in served.get("/history")[2]


def test_metrics_are_what_prometheus_reads(served: Served) -> None:
    served.cycle(APPLIED)
    served.cycle(code=ExitCode.LEASE_HELD)
    served.metrics.unpublished("no")
    _, headers, text = served.get("/metrics")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    expected = {
        ("fleetsched_cycles_total", "ok"): 1,
        ("fleetsched_cycles_total", "lease-held"): 1,
        ("fleetsched_cycle_seconds_sum",): 5.0,
        ("fleetsched_hosts", "as wanted"): 1,
        ("fleetsched_hosts", "drift"): 1,
        ("fleetsched_hosts", "held"): 1,
        ("fleetsched_hosts", "out of reach"): 1,
        ("fleetsched_events_total", "applied"): 1,
        ("fleetsched_publish_failures_total",): 1,
    }
    assert {name: found[name] for name in expected} == expected
    assert ("fleetsched_revision_timestamp_seconds", REVISION) in found


def test_news_tell_a_page_when_to_renew(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        stream = connection.makefile("rb")
        lines = iter(stream.readline, b"")
        assert next(line for line in lines if line.startswith(b"data:")) == b"data: 0\n"
        served.cycle()
        assert next(line for line in lines if line.startswith(b"data:")) == b"data: 1\n"
        stream.close()


@pytest.mark.parametrize(
    ("body", "secret", "code"),
    [
        (b"{}", SECRET, 202),
        (b"", SECRET, 202),
        (b"not json", SECRET, 202),
        (b"{}", "guess", 401),
        (b"{}", None, 401),
        (b"x" * ((1 << 20) + 1), SECRET, 413),
    ],
)
def test_a_signed_webhook_wakes_the_loop(served: Served, body: bytes, secret: str | None, code: int) -> None:
    assert served.post(body, secret) == code
    assert served.woken.empty() == (code != 202)


def test_without_a_secret_there_is_no_webhook() -> None:
    with Server(Site(Board(60), Metrics(), lambda: None, ""), "127.0.0.1:0") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", "/webhook", b"{}", {"X-Gitlab-Token": ""})
        assert connection.getresponse().status == 404
        connection.close()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FleetschedError, match=f"cannot serve on 127.0.0.1:{port}") as caught:
            Server(Site(Board(60), Metrics(), lambda: None, ""), f"127.0.0.1:{port}")
    assert caught.value.remedy == "choose another `reconcile.listen`"
