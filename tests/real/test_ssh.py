# SPDX-License-Identifier: Apache-2.0
"""The SSH transport against a real OpenSSH server."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from getpass import getuser
from pathlib import Path

import paramiko
import pytest

from fleetsched.errors import BecomeError, HostError, HostKeyError, UnreachableError
from fleetsched.helper.session import NoHelper, open_helper
from fleetsched.helper.wire import HELPER_PATH
from fleetsched.operations.hosts import TrustOutcome, trust
from fleetsched.transport import ssh_session
from fleetsched.transport.interface import Completed, Connection
from fleetsched.transport.known_hosts import HostKey, Verdict
from tests.real.conftest import wait_until
from tests.real.sshd import Sshd, find_sshd, free_port, make_key, public

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(find_sshd() is None, reason="OpenSSH's server (openssh-server) is not installed"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    sshd = Sshd(tmp_path_factory.mktemp("sshd"))
    with sshd.running():
        yield sshd


@pytest.fixture
def connection(server: Sshd) -> Iterator[Connection]:
    with server.transport().connect(server.host()) as connection:
        yield connection


def fingerprint(key: Path) -> str:
    return HostKey(*public(key).split()).fingerprint


# --- commands ---


def test_a_command_gives_its_exit_code_and_both_outputs(connection: Connection) -> None:
    command = ["sh", "-c", "echo out; echo err >&2; exit 7"]
    assert connection.run(command, timeout_s=30) == Completed(7, b"out\n", b"err\n")


def test_a_command_ended_by_a_signal_has_the_exit_code_minus_one(connection: Connection) -> None:
    assert connection.run(["sh", "-c", "kill -9 $$"], timeout_s=30) == Completed(-1, b"", b"")


def test_arguments_arrive_as_they_are(connection: Connection) -> None:
    arguments = ["; touch /tmp/owned", "$(id)", "`id`", "a  b", "'", '"', "*", "-n", "\\", "line\nbreak"]
    completed = connection.run(["printf", "%s\\0", *arguments], timeout_s=30)
    assert completed.stdout.decode().split("\0")[:-1] == arguments


def test_a_megabyte_of_input_arrives(connection: Connection) -> None:
    data = os.urandom(1_000_000)
    completed = connection.run(["sha256sum"], stdin=data, timeout_s=60)
    assert completed.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_much_output_on_both_streams_does_not_block(connection: Connection) -> None:
    script = "head -c 4000000 /dev/zero >&2; head -c 4000000 /dev/zero; cat"
    completed = connection.run(["sh", "-c", script], stdin=b"x" * 3_000_000, timeout_s=60)
    assert (completed.exit_code, len(completed.stdout), len(completed.stderr)) == (0, 7_000_000, 4_000_000)


def test_a_command_that_reads_no_input_ends(connection: Connection) -> None:
    completed = connection.run(["sh", "-c", "exit 3"], stdin=b"x" * 5_000_000, timeout_s=30)
    assert completed == Completed(3, b"", b"")


def test_a_command_that_takes_too_long_is_named(connection: Connection) -> None:
    with pytest.raises(TimeoutError, match=r"^web-1: `sleep` took longer than 0.2 s$"):
        connection.run(["sleep", "30"], timeout_s=0.2)


def test_a_channel_carries_bytes_both_ways_until_its_end(connection: Connection) -> None:
    with connection.open(["sh", "-c", "read line; echo got $line; echo why >&2; exit 4"]) as channel:
        with pytest.raises(TimeoutError):
            channel.receive(0.1)
        channel.send(b"hello\n")
        assert channel.receive(30) == b"got hello\n"
        assert channel.receive(30) == b""
        assert channel.stderr_tail() == "why"


def test_channels_share_a_connection_between_threads(connection: Connection) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: connection.run(["echo", str(n)], timeout_s=60).stdout, range(8)))
    assert results == [f"{number}\n".encode() for number in range(8)]


def test_a_lost_connection_ends_the_channel(server: Sshd) -> None:
    with server.transport().connect(server.host()) as connection:
        channel = connection.open(["sh", "-c", "echo $PPID; cat"])
        os.kill(int(channel.receive(30)), signal.SIGKILL)
        assert channel.receive(30) == b""
        with pytest.raises(UnreachableError, match="web-1: the connection was lost"):
            channel.send(b"x")
        with pytest.raises(UnreachableError, match="web-1: no channel on the connection"):
            connection.run(["true"], timeout_s=30)


@pytest.mark.parametrize(
    "message",
    [b"\x60", b"\x5e" + bytes(3) + b"\x01x", b"\x5d" + bytes(3) + b"\x01", b"\x61"],
    ids=["end", "data", "window", "close"],
)
def test_what_is_said_too_late_of_a_channel_does_not_cost_the_connection(
    server: Sshd, message: bytes
) -> None:
    """As from a thread that was writing when the command ended, and was held up on its way to the socket.

    Our own classes never send that on purpose, so it takes paramiko's channel below them.
    """
    with server.transport().connect(server.host()) as connection:
        channel = connection.open(["true"])._channel  # type: ignore[attr-defined]
        wait_until(lambda: channel.closed, within_s=30, what="the command ended")
        late = message[:1] + channel.remote_chanid.to_bytes(4, "big") + message[1:]

        channel.transport._send_user_message(paramiko.Message(late))

        for _ in range(2):
            assert connection.run(["cat"], stdin=b"later", timeout_s=30).stdout == b"later"


def test_the_host_says_why_it_ends_the_connection(server: Sshd) -> None:
    with server.transport().connect(server.host()) as connection:
        transport = connection._sessions[-1].transport  # type: ignore[attr-defined]
        nonsense = paramiko.Message(b"\x60" + (4711).to_bytes(4, "big"))
        transport._send_user_message(nonsense)
        wait_until(lambda: not transport.is_active(), within_s=30, what="the connection ended")
        with pytest.raises(
            UnreachableError, match=r"^web-1: no channel on the connection: .*nonexistent channel 4711"
        ):
            connection.run(["true"], timeout_s=30)


def test_no_thread_is_left_and_a_host_can_be_reached_again(server: Sshd) -> None:
    before = set(threading.enumerate())
    transport = server.transport()
    for _ in range(3):
        connection = transport.connect(server.host())
        connection.open(["cat"])
        connection.close()
        connection.close()
    with pytest.raises(HostKeyError):
        transport.connect(server.host(ssh_options={"userknownhostsfile": "/dev/null"}))
    assert set(threading.enumerate()) == before


def test_a_host_without_a_helper_says_what_it_is(connection: Connection) -> None:
    if Path(HELPER_PATH).exists():
        pytest.skip("this machine is a managed host itself")
    machine = os.uname()
    assert open_helper(connection, "web-1") == NoHelper(
        arch=machine.machine,
        kernel_release=machine.release,
        sched_ext=Path("/sys/kernel/sched_ext").is_dir(),
        systemd=Path("/run/systemd/system").is_dir(),
    )


# --- host keys ---


def test_an_unknown_key_refuses_the_host_and_says_how_to_trust_it(server: Sshd, tmp_path: Path) -> None:
    host = server.host(ssh_options={"userknownhostsfile": str(tmp_path / "none")})
    with pytest.raises(HostKeyError) as refused:
        server.transport().connect(host)
    shown = fingerprint(server.host_keys["ed25519"])
    assert refused.value.fingerprint == shown
    assert str(refused.value) == (
        f"web-1: the key of {server.name} is not known: ssh-ed25519 {shown}\n"
        "  if the host itself says the same fingerprint, `fleetsched hosts trust web-1`"
    )


def test_a_changed_key_is_another_and_louder_message(server: Sshd, tmp_path: Path) -> None:
    old, known_hosts = make_key(tmp_path / "old"), tmp_path / "known_hosts"
    known_hosts.write_text(f"{server.name} {public(old)}\n", encoding="utf-8")
    with pytest.raises(HostKeyError) as refused:
        server.transport().connect(server.host(ssh_options={"userknownhostsfile": str(known_hosts)}))
    assert str(refused.value) == (
        f"web-1: THE KEY OF {server.name} HAS CHANGED: "
        f"it shows ssh-ed25519 {fingerprint(server.host_keys['ed25519'])}, "
        f"known is ssh-ed25519 {fingerprint(old)}\n"
        "  somebody may be listening in between, or the host was set up anew: "
        "find out which, and only then `fleetsched hosts trust web-1 --replace`"
    )


def test_a_revoked_key_is_refused_although_it_is_known(server: Sshd, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    key = public(server.host_keys["ed25519"])
    known_hosts.write_text(f"{server.name} {key}\n@revoked * {key}\n", encoding="utf-8")
    with pytest.raises(HostKeyError, match=r"THE KEY OF .* IS REVOKED: ssh-ed25519 SHA256:"):
        server.transport().connect(server.host(ssh_options={"userknownhostsfile": str(known_hosts)}))


def test_names_may_be_hashed(server: Sshd, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(server.known_hosts.read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known_hosts)], check=True, capture_output=True)
    assert server.name not in known_hosts.read_text(encoding="utf-8")
    host = server.host(ssh_options={"userknownhostsfile": str(known_hosts)})
    with server.transport().connect(host) as connection:
        assert connection.run(["true"], timeout_s=30).exit_code == 0


def test_a_host_is_asked_for_the_kind_of_key_that_is_known(server: Sshd, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"{server.name} {public(server.host_keys['ecdsa'])}\n", encoding="utf-8")
    host = server.host(ssh_options={"userknownhostsfile": str(known_hosts)})
    with server.transport().connect(host) as connection:
        assert connection.run(["true"], timeout_s=30).exit_code == 0


def test_a_key_can_be_asked_for_without_logging_in(server: Sshd, tmp_path: Path) -> None:
    nobody = server.host(
        user="nobody-of-this-name", ssh_options={"userknownhostsfile": str(tmp_path / "none")}
    )
    shown = server.transport().host_key(nobody).shown
    assert (shown.key.fingerprint, shown.verdict) == (
        fingerprint(server.host_keys["ed25519"]),
        Verdict.UNKNOWN,
    )


def test_a_host_whose_key_was_trusted_can_be_reached(server: Sshd, tmp_path: Path) -> None:
    host = server.host(ssh_options={"userknownhostsfile": str(tmp_path / "known_hosts")})
    transport = server.transport()
    with pytest.raises(HostKeyError):
        transport.connect(host)
    (result,) = trust([host], transport, confirm=lambda offer: True, replace=False, forks=1)
    assert result.outcome is TrustOutcome.ADDED
    with transport.connect(host) as connection:
        assert connection.run(["true"], timeout_s=30).exit_code == 0


# --- logging in ---


def test_a_key_that_the_host_does_not_know_is_named(server: Sshd, tmp_path: Path) -> None:
    wrong = make_key(tmp_path / "wrong")
    with pytest.raises(UnreachableError) as refused:
        server.transport().connect(server.host(key_file=str(wrong)))
    assert str(refused.value) == (
        f"web-1: {getuser()}@127.0.0.1:{server.port} accepts none of our keys; tried: {wrong}\n"
        "  set `ansible_user` and `ansible_ssh_private_key_file`, or add the key to the agent"
    )


def test_a_key_file_that_is_not_there_is_named(server: Sshd, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"tried: \S+/absent \(does not exist\)"):
        server.transport().connect(server.host(key_file=str(tmp_path / "absent")))


def test_a_key_with_a_passphrase_is_named(server: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path / "locked")
    command = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(UnreachableError, match=r"locked \(has a passphrase: add it to the agent\)"):
        server.transport().connect(server.host(key_file=str(key)))


def test_the_agent_is_asked(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        monkeypatch.setenv("HOME", str(tmp_path))
        for _ in range(100):
            if subprocess.run(["ssh-add", "-q", str(server.user_key)], capture_output=True).returncode == 0:
                break
        host = server.host(key_file=None, ssh_options={"identitiesonly": "no"})
        with server.transport().connect(host) as connection:
            assert connection.run(["echo", "in"], timeout_s=30).stdout == b"in\n"
    finally:
        agent.terminate()
        agent.wait(10)


# --- hosts that cannot be reached ---


def test_a_closed_port_is_unreachable(server: Sshd) -> None:
    port = free_port()
    with pytest.raises(UnreachableError) as refused:
        server.transport().connect(server.host(port=port))
    assert str(refused.value) == (
        f"web-1: nothing listens on 127.0.0.1:{port}\n  is its sshd running, and is the port right?"
    )


def test_a_server_of_another_kind_is_unreachable(server: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as client:
                client.recv(100)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(UnreachableError, match=r"^web-1: what listens on \S+ does not answer as an SSH"):
            server.transport().connect(server.host(port=listening.getsockname()[1]))
        thread.join(10)


def test_a_silent_server_is_given_up(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_session, "BANNER_S", 0.3)
    before = set(threading.enumerate())
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(UnreachableError, match="does not answer as an SSH server"),
    ):
        server.transport().connect(server.host(port=listening.getsockname()[1]))
    assert set(threading.enumerate()) == before


# --- ways to a host ---


def test_a_jump_host_is_used(server: Sshd) -> None:
    server.config.write_text(
        f"Host bastion\n  HostName 127.0.0.1\n  Port {server.port}\n  IdentityFile {server.user_key}\n"
        f"  UserKnownHostsFile {server.known_hosts}\n",
        encoding="utf-8",
    )
    before = set(threading.enumerate())
    with server.transport().connect(server.host(ssh_options={"proxyjump": "bastion"})) as connection:
        completed = connection.run(["sh", "-c", "echo $SSH_CONNECTION"], timeout_s=60)
    assert completed.stdout.split()[2:] == [b"127.0.0.1", str(server.port).encode()]
    assert set(threading.enumerate()) == before


def test_a_jump_host_with_an_unknown_key_is_named(server: Sshd) -> None:
    server.config.write_text(
        f"Host bastion\n  HostName 127.0.0.1\n  Port {server.port}\n  IdentityFile {server.user_key}\n"
        "  UserKnownHostsFile /dev/null\n",
        encoding="utf-8",
    )
    with pytest.raises(HostKeyError) as refused:
        server.transport().connect(server.host(ssh_options={"proxyjump": "bastion"}))
    assert refused.value.message.startswith("bastion (on the way to web-1): the key of [127.0.0.1]:")
    assert refused.value.remedy == "if the host itself says the same fingerprint, `ssh bastion`"


def test_a_proxy_command_of_the_users_own_configuration_is_used(server: Sshd, tmp_path: Path) -> None:
    program = tmp_path / "proxy.py"
    program.write_text(
        "import socket, sys, threading, os\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536):\n"
        "        s.sendall(data)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := s.recv(65536):\n"
        "    os.write(1, data)\n",
        encoding="utf-8",
    )
    command = f"{sys.executable} {program} %h %p"
    server.config.write_text(f"Host 127.0.0.1\n  ProxyCommand {command}\n", encoding="utf-8")
    try:
        with server.transport().connect(server.host()) as connection:
            assert connection.run(["echo", "through"], timeout_s=60).stdout == b"through\n"
    finally:
        server.config.write_text("", encoding="utf-8")


def test_a_proxy_command_of_the_inventory_is_not_run(server: Sshd, tmp_path: Path) -> None:
    host = server.host(ssh_options={"proxycommand": f"touch {tmp_path}/owned"})
    with pytest.raises(HostError, match="web-1: a ProxyCommand in the inventory would run a program"):
        server.transport().connect(host)
    assert not (tmp_path / "owned").exists()


# --- sudo ---


def path_with(folder: Path, **programs: str) -> list[str]:
    """Settings that give sessions a PATH of `env`, `sh` and these programs only."""
    folder.mkdir()
    for name in ("env", "sh"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    for name, text in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
    return [f"SetEnv PATH={folder}"]


def run(connection: Connection) -> None:
    connection.run(["id", "-u"], timeout_s=30)


def open_and_receive(connection: Connection) -> None:
    connection.open(["id", "-u"]).receive(30)


@pytest.mark.parametrize("use", [run, open_and_receive])
def test_a_sudo_that_wants_a_password_is_named(tmp_path: Path, use: Callable[[Connection], None]) -> None:
    server = Sshd(tmp_path)
    fake_sudo = "echo 'sudo: a password is required' >&2; exit 1"
    with (
        server.running(path_with(tmp_path / "fake-sudo", sudo=fake_sudo)),
        server.transport().connect(server.host(become=True)) as connection,
        pytest.raises(BecomeError) as refused,
    ):
        use(connection)
    assert str(refused.value) == (
        "sudo on web-1 asks for a password; it is used without one\n"
        f"  give it with -K, or allow it there: `{getuser()} ALL=(root) NOPASSWD: ALL` in a file under "
        "/etc/sudoers.d, or log in as root"
    )


def test_a_host_without_sudo_is_named(tmp_path: Path) -> None:
    server = Sshd(tmp_path)
    with (
        server.running(path_with(tmp_path / "without-sudo")),
        server.transport().connect(server.host(become=True)) as connection,
        pytest.raises(BecomeError) as refused,
    ):
        connection.run(["id", "-u"], timeout_s=30)
    assert refused.value.message == f"web-1 has no sudo, and {getuser()} is not root"
