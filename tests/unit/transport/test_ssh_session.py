# SPDX-License-Identifier: Apache-2.0
"""Closing SSH sessions: a fleet's are closed one after the other, so that none may take its time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from statistics import median

import paramiko
import pytest

from fleetsched.transport.ssh_link import Link
from fleetsched.transport.ssh_options import SshOptions
from fleetsched.transport.ssh_session import Session

OPTIONS = SshOptions(
    host="web-1",
    address="127.0.0.1",
    port=22,
    key_name="web-1",
    user="root",
    key_files=(),
    key_files_given=False,
    identities_only=True,
    known_hosts=(),
    trust_file=None,
    connect_timeout_s=60.0,
    keepalive_s=0,
    jumps=(),
    proxy_command="",
    become=False,
)
PATIENCE_S = 0.1  # of paramiko's thread, which waits for its socket so long at a time


class Server(paramiko.ServerInterface):
    def get_allowed_auths(self, username: str) -> str:
        return "none"

    def check_auth_none(self, username: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED


@pytest.fixture
def sessions() -> Iterator[list[Session]]:
    key = paramiko.ECDSAKey.generate()
    servers, made = [], []
    listener = socket.create_server(("127.0.0.1", 0))
    for _ in range(9):
        ours = socket.create_connection(listener.getsockname())
        theirs, _address = listener.accept()
        server = paramiko.Transport(theirs)
        server.add_server_key(key)
        server.start_server(server=Server(), event=threading.Event())
        servers.append(server)
        session = Session(Link(ours, ours.close), OPTIONS)
        session.transport.start_client(timeout=60)
        session.transport.auth_none("root")
        session.transport.open_session(timeout=60)
        made.append(session)
    listener.close()
    yield made
    for server in servers:
        server.close()


def test_closing_does_not_wait_for_the_threads_next_look_at_its_socket(sessions: list[Session]) -> None:
    time.sleep(PATIENCE_S)  # so that the thread waits for its socket, and does not just come to that
    took_s = []
    for session in sessions:
        began = time.monotonic()
        session.close()
        took_s.append(time.monotonic() - began)

    assert median(took_s) < PATIENCE_S / 10
    assert not any(session.transport.is_alive() for session in sessions)
