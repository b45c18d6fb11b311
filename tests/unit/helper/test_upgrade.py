# SPDX-License-Identifier: Apache-2.0
"""Versions of the protocol that differ by one either way, and helpers that are replaced."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import pytest

import fleetsched
from fleetsched.errors import HelperError
from fleetsched.helper.client import Hello, HelperClient
from fleetsched.helper.session import RPC_COMMAND, open_helper
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.helper.wire import decode, encode
from fleetsched.model.assignment import Assignment
from fleetsched.model.inventory import Host
from fleetsched.model.program import Program
from fleetsched.shipped import shipped_root
from fleetsched.transport.interface import Connection

ELF = b"\x7fELF\x02\x01\x01" + bytes(11) + (62).to_bytes(2, "little") + b"a helper"
DIGEST = hashlib.sha256(ELF).hexdigest()


def connect(host: SimulatedHost) -> Connection:
    return SimulatedTransport({host.name: host}).connect(Host(host.name, host.name))


def client_of(host: SimulatedHost) -> HelperClient:
    client = open_helper(connect(host), host.name)
    assert isinstance(client, HelperClient)
    return client


def told(host: SimulatedHost) -> list[tuple[str, str]]:
    return [(entry["event"], entry["detail"]) for entry in host.disk.history if "upgrade" in entry["event"]]


def test_a_new_controller_works_with_a_helper_of_before() -> None:
    host = SimulatedHost("web-1", protocol=1)
    client = client_of(host)
    assert client.greeting == Hello(1, "0.1.0", host.boot_id())
    digest = hashlib.sha256(b"policy").hexdigest()
    what = Assignment.of("fair", "default", digest, {})
    token = client.lease("anna", 60).token
    client.stage(digest, b"policy")
    trial = client.try_(what, deadline_s=60, run="r1", revision="c1", token=token).trial
    client.need_protocol(1, "what every helper has")
    for _ in client.watch(interval_s=5, for_s=11):
        pass
    confirmed = client.confirm(trial.id, token)
    assert confirmed.running
    assert confirmed.running.assignment == what
    client.stop("enough", token)
    client.release_lease(token)
    assert [entry.event for entry in client.history()] == [
        "service-start",
        "stage",
        "try",
        "attached",
        "confirm",
        "stop",
    ]


def try_program(client: HelperClient) -> None:
    what = Assignment.of("rusty", "default", DIGEST, {})
    client.try_(what, deadline_s=60, run="r1", revision="c1", program=Program("/usr/bin/scx_rusty"))


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda client: client.upgrade(ELF, version="0.1.0"), "`upgrade`"),
        (lambda client: client.observe(for_s=1, top=1), "`observe`"),
        (lambda client: next(client.watch(interval_s=1, for_s=1, run_queue=True)), "run-queue latency"),
        (try_program, "a policy of `kind: program`"),
    ],
    ids=["upgrade", "observe", "run-queue", "program"],
)
def test_what_a_helper_of_before_does_not_have_is_refused_without_asking_it(
    ask: Callable[[HelperClient], object], what: str
) -> None:
    client = client_of(SimulatedHost("web-1", protocol=1))
    with pytest.raises(HelperError) as caught:
        ask(client)
    assert caught.value.code == "protocol-version"
    assert str(caught.value) == (
        f"web-1: its helper 0.1.0 speaks protocol 1; {what} needs 2\n"
        "  as an administrator there: rm /usr/libexec/fleetsched-host; the next `apply` or `bootstrap`"
        " installs a new one"
    )


def test_a_controller_of_before_works_with_a_new_helper() -> None:
    channel = connect(SimulatedHost("web-1")).open(RPC_COMMAND)
    channel.send(encode({"id": 1, "verb": "hello", "protocol": 1, "client": "fleetsched of before"}))
    answer = decode(channel.receive(1.0))
    assert answer["result"].keys() == {"protocol", "helper", "boot_id"}
    assert answer["result"]["protocol"] == 1


def test_another_helper_takes_over_and_what_ran_runs_again() -> None:
    host = SimulatedHost("web-1")
    client = client_of(host)
    assert client.upgrade(ELF, version="0.2.0") is True
    assert told(host) == [
        ("upgrade", f"from 0.1.0 to 0.2.0, {DIGEST[:12]}"),
        ("upgraded", f"from 0.1.0 to 0.2.0, {DIGEST[:12]}"),
    ]
    again = client_of(host)
    assert again.greeting == Hello(2, "0.2.0", host.boot_id(), DIGEST)
    assert again.upgrade(ELF, version="0.2.0") is False


def test_a_broken_helper_is_not_kept() -> None:
    host = SimulatedHost("web-1", broken_helpers={"0.2.0": "it did not answer in time"})
    client_of(host).upgrade(ELF, version="0.2.0")
    assert told(host)[-1] == (
        "upgrade-failed",
        f"to 0.2.0, {DIGEST[:12]}: it did not answer in time; 0.1.0 is back",
    )
    greeting = client_of(host).greeting
    assert greeting
    assert greeting.helper == "0.1.0"


@pytest.mark.parametrize(
    ("host", "binary", "version", "code"),
    [
        (SimulatedHost("web-1", version="0.10.0"), ELF, "0.9.0", "downgrade"),
        (SimulatedHost("web-1"), ELF, "1.0", "bad-request"),
        (SimulatedHost("web-1"), b"#!/bin/sh", "1.0.0", "not-a-helper"),
        (SimulatedHost("web-1", arch="aarch64"), ELF, "1.0.0", "not-a-helper"),
        (SimulatedHost("web-1", disk_full=True), ELF, "1.0.0", "disk-full"),
        (SimulatedHost("web-1", allowed_signers="somebody"), ELF, "1.0.0", "unsigned"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused(host: SimulatedHost, binary: bytes, version: str, code: str) -> None:
    with pytest.raises(HelperError) as caught:
        client_of(host).upgrade(binary, version=version)
    assert caught.value.code == code
    assert told(host) == []


def test_the_helpers_version_is_the_packages() -> None:
    """`helper upgrade` and `plan` compare hosts' helpers with it."""
    header = (shipped_root() / "bpf" / "helper" / "util.h").read_text(encoding="utf-8")
    match = re.search(r'FLEETSCHED_VERSION "(.*)"', header)
    assert match
    assert match[1] == fleetsched.__version__
