# SPDX-License-Identifier: Apache-2.0
"""A private OpenSSH server on loopback, with keys and a configuration of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path

from fleetsched.model.inventory import Host
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults

_START_S = 30.0


def find_sshd() -> str | None:
    """Return the server's program; it must be started by its whole path."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """Make a key pair without passphrase."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", path.name, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def public(path: Path) -> str:
    """Return type and base 64 of a key's public half."""
    return " ".join(Path(f"{path}.pub").read_text(encoding="utf-8").split()[:2])


class Sshd:
    """A running server and all that is needed to log in to it.

    Attributes:
        folder: everything is in it.
        port: on 127.0.0.1.
        user_key: the private key that it accepts for whoever runs the tests.
        host_keys: its own private keys by kind.
        known_hosts: a file that knows its ed25519 key.
        config: an SSH configuration, empty at first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.user_key = make_key(folder / "user")
        self.host_keys = {kind: make_key(folder / f"host_{kind}", kind) for kind in ("ed25519", "ecdsa")}
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"{self.name} {public(self.host_keys['ed25519'])}\n", encoding="utf-8")
        self.config = folder / "ssh_config"
        self.config.write_text("", encoding="utf-8")

    @property
    def name(self) -> str:
        """Its name in known_hosts."""
        return f"[127.0.0.1]:{self.port}"

    def host(self, **changes: object) -> Host:
        """Return it as a host of an inventory; `changes` are fields of Host."""
        options = {
            "userknownhostsfile": str(self.known_hosts),
            "globalknownhostsfile": "none",
            "identitiesonly": "yes",
        }
        fields = {
            "name": "web-1",
            "address": "127.0.0.1",
            "port": self.port,
            "key_file": str(self.user_key),
            "become": False,
            **changes,
        }
        given = fields.pop("ssh_options", {})
        assert isinstance(given, dict)
        return Host(**fields, ssh_options={**options, **given})  # type: ignore[arg-type]

    def transport(self) -> SshTransport:
        """Return a transport that reads only this folder's configuration."""
        return SshTransport(SshDefaults(user=getuser(), connect_timeout_s=5, config_file=self.config))

    @contextmanager
    def running(self, lines: Sequence[str] = ()) -> Iterator[None]:
        """Run the server; `lines` are added to its configuration."""
        authorized = self.folder / "authorized_keys"
        authorized.write_text(public(self.user_key) + "\n", encoding="utf-8")
        config = self.folder / "sshd_config"
        config.write_text("\n".join([*self._settings(authorized), *lines, ""]), encoding="utf-8")
        program = find_sshd()
        assert program, "no sshd on this machine"
        log = self.folder / "log"
        with _privileges(), log.open("wb") as output:
            process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=output)
            try:
                _wait_for_banner(self.port, process, log)
                yield
            finally:
                process.terminate()
                process.wait(10)

    def _settings(self, authorized: Path) -> Iterator[str]:
        yield f"ListenAddress 127.0.0.1:{self.port}"
        for key in self.host_keys.values():
            yield f"HostKey {key}"
        yield f"AuthorizedKeysFile {authorized}"
        yield "PidFile none"
        yield "UsePAM no"
        yield "StrictModes no"  # the test's folder may be writable for others
        yield "PasswordAuthentication no"
        yield "KbdInteractiveAuthentication no"
        yield "PermitRootLogin prohibit-password"
        yield "MaxAuthTries 20"


def free_port() -> int:
    """Return a port on loopback that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def _privileges() -> Iterator[None]:
    """As root, sshd needs a folder of its own to shut its unprivileged half in."""
    folder = Path("/run/sshd")
    made = os.geteuid() == 0 and not folder.exists()
    if made:
        folder.mkdir(mode=0o755)
    try:
        yield
    finally:
        if made:
            folder.rmdir()


def _wait_for_banner(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1.0) as sock:
                if sock.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"sshd did not start: {log.read_text(encoding='utf-8', errors='replace')}")
