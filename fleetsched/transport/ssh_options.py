# SPDX-License-Identifier: Apache-2.0
"""How to reach one host by SSH, after all places have been asked that may say something about it.

For each setting the first of these counts: the inventory's variables, the options in the inventory's SSH
arguments, ~/.ssh/config, the controller's own file, the default.
"""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from getpass import getuser
from pathlib import Path

import paramiko

from fleetsched.errors import HostError, InputError
from fleetsched.model.inventory import Host
from fleetsched.transport.known_hosts import entry_name

DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
DEFAULT_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")

# What may stand where a name is put into a ProxyCommand of ~/.ssh/config; the first character keeps it from
# being an option.
_ADDRESS = re.compile(r"[A-Za-z0-9_:\[][A-Za-z0-9_.:\[\]-]*(%[A-Za-z0-9_.-]+)?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+$\\-]*")
_JUMP = re.compile(r"(?:(?P<user>[^@]+)@)?(?P<address>\[[^]]+\]|[^:]+)(?::(?P<port>\d+))?")

_NONE = "none"


@dataclass(frozen=True, slots=True)
class SshDefaults:
    """What the controller's own file says, for hosts of which nothing else does.

    Attributes:
        user: whom to log in as; None = whoever runs this.
        key_file: private key; None = the usual ones.
        connect_timeout_s: for the TCP connection.
        config_file: the user's SSH configuration; one that does not exist says nothing.
    """

    user: str | None = None
    key_file: str | None = None
    connect_timeout_s: float = 10.0
    config_file: Path = Path("~/.ssh/config")


@dataclass(frozen=True, slots=True)
class Jump:
    """A host on the way; None = what the SSH configuration says."""

    address: str
    user: str | None
    port: int | None


@dataclass(frozen=True, slots=True)
class SshOptions:
    """Everything that a connection to one host needs.

    Attributes:
        host: its name in the inventory, for messages.
        address, port: where its sshd listens.
        key_name: the name under which known_hosts has its key, with the port where that belongs to it.
        user: whom to log in as.
        key_files: private keys to try, in this order; missing ones are passed over unless `key_files_given`.
        key_files_given: whether somebody named them, so that a missing one is an error.
        identities_only: whether the agent's other keys stay out.
        known_hosts: files to look in, in this order.
        trust_file: the one that new keys are written to; None = the configuration wants none to be kept.
        connect_timeout_s, keepalive_s: seconds; a keepalive of 0 sends none.
        jumps: hosts on the way, the first one first.
        proxy_command: from ~/.ssh/config only, names put in; empty = none.
        become: whether commands go through sudo.
    """

    host: str
    address: str
    port: int
    key_name: str
    user: str
    key_files: tuple[Path, ...]
    key_files_given: bool
    identities_only: bool
    known_hosts: tuple[Path, ...]
    trust_file: Path | None
    connect_timeout_s: float
    keepalive_s: int
    jumps: tuple[Jump, ...]
    proxy_command: str
    become: bool


class UserConfig:
    """The user's SSH configuration. Threads may share it.

    Args:
        file: one that does not exist says nothing.

    Raises:
        InputError: it cannot be read.
    """

    def __init__(self, file: Path) -> None:
        path = file.expanduser()
        self._lock = threading.Lock()
        self._parsed: dict[str, paramiko.SSHConfig] = {}
        try:
            self._text = path.read_text(encoding="utf-8") if path.exists() else ""
            self._with("")
        except (paramiko.ConfigParseError, OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error

    def lookup(self, name: str, user: str | None, port: int | None) -> Mapping[str, object]:
        """Return what it says about a host, every `%h`, `%p` and `%r` replaced.

        The user and port that are given count before its own and stand for `%r` and `%p`, as if they had been
        given to ssh on its command line.

        Raises:
            HostError: it cannot be used for this host.
        """
        given = [f"  User {user}\n"] if user else []
        given += [f"  Port {port}\n"] if port else []
        try:
            return self._with("".join(["Host *\n", *given]) if given else "").lookup(name)
        except (paramiko.SSHException, ValueError, ImportError) as error:
            raise HostError(f"the SSH configuration cannot be used for {name}: {error}") from error

    def _with(self, first: str) -> paramiko.SSHConfig:
        with self._lock:
            if first not in self._parsed:
                self._parsed[first] = paramiko.SSHConfig.from_text(first + self._text)
            return self._parsed[first]


def resolve(host: Host, config: UserConfig, defaults: SshDefaults) -> SshOptions:
    """Find out how to reach a host.

    Raises:
        HostError: something that the inventory or the configuration says cannot be used.
    """
    wants = _Wants(host, config, defaults)
    address, port = wants.address(), host.port or wants.number("port", 22, 1, 65_535)
    user = _checked(_USER, host.user or wants.first("user") or defaults.user or getuser(), "user", host)
    proxy = wants.from_config("proxycommand")
    jumps = wants.jumps()
    key_files, given = wants.key_files()
    users = wants.files("userknownhostsfile", DEFAULT_KNOWN_HOSTS)
    return SshOptions(
        host=host.name,
        address=address,
        port=port,
        key_name=wants.first("hostkeyalias") or entry_name(address, port),
        user=user,
        key_files=key_files,
        key_files_given=given,
        identities_only=wants.first("identitiesonly").lower() == "yes",
        known_hosts=(*users, *wants.files("globalknownhostsfile", GLOBAL_KNOWN_HOSTS)),
        trust_file=users[0] if users else None,
        connect_timeout_s=float(wants.number("connecttimeout", round(defaults.connect_timeout_s), 1, 3_600)),
        keepalive_s=wants.number("serveraliveinterval", 15, 0, 3_600),
        jumps=jumps,
        proxy_command="" if jumps or proxy.lower() == _NONE else proxy,
        become=host.become if host.become is not None else user != "root",
    )


class _Wants:
    """What the places say about one host, by option."""

    def __init__(self, host: Host, config: UserConfig, defaults: SshDefaults) -> None:
        self._host = host
        self._defaults = defaults
        self._given = host.ssh_options
        name = _checked(_ADDRESS, host.address, "address", host)
        user = host.user or self._given.get("user")
        if user:
            _checked(_USER, user, "user", host)
        self._config = config.lookup(name, user, host.port)
        if self._given.get("proxycommand", _NONE).lower() != _NONE:
            raise HostError(
                f"{host.name}: a ProxyCommand in the inventory would run a program of the repository here",
                remedy="use ProxyJump there, or move the ProxyCommand to ~/.ssh/config",
            )

    def first(self, option: str) -> str:
        """Return the option as the SSH arguments have it, else as ~/.ssh/config has it, else empty."""
        return self._given.get(option) or self.from_config(option)

    def from_config(self, option: str) -> str:
        """Return the option as ~/.ssh/config has it, else empty."""
        value = self._config.get(option)
        return value if isinstance(value, str) else ""

    def number(self, option: str, default: int, low: int, high: int) -> int:
        """Return a whole number."""
        text = self.first(option)
        if not text:
            return default
        if not text.isdecimal() or not low <= int(text) <= high:
            raise HostError(f"{self._host.name}: {option} {text} is no number from {low} to {high}")
        return int(text)

    def address(self) -> str:
        """Return where to connect to; ~/.ssh/config may know the inventory's address as an alias."""
        return _checked(_ADDRESS, self.first("hostname") or self._host.address, "address", self._host)

    def key_files(self) -> tuple[tuple[Path, ...], bool]:
        """Return the private keys to try, and whether somebody named them."""
        listed = self._config.get("identityfile")
        configured = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
        for names in (
            [self._host.key_file or ""],
            [self._given.get("identityfile", "")],
            configured,
            [self._defaults.key_file or ""],
        ):
            if any(names):
                return tuple(Path(name).expanduser() for name in names if name.lower() != _NONE), True
        return tuple(Path(name).expanduser() for name in DEFAULT_KEYS), False

    def jumps(self) -> tuple[Jump, ...]:
        """Return the hosts on the way."""
        text = self.first("proxyjump")
        if not text or text.lower() == _NONE:
            return ()
        return tuple(self._jump(part.strip().removeprefix("ssh://")) for part in text.split(","))

    def _jump(self, text: str) -> Jump:
        parts = _JUMP.fullmatch(text)
        if parts is None:
            raise HostError(f'{self._host.name}: ProxyJump "{text}" is not [USER@]HOST[:PORT]')
        address = _checked(_ADDRESS, parts["address"].strip("[]"), "jump host", self._host)
        return Jump(address, parts["user"], int(parts["port"]) if parts["port"] else None)

    def files(self, option: str, default: tuple[str, ...]) -> tuple[Path, ...]:
        """Return a list of files, `none` left out."""
        text = self.first(option)
        names = shlex.split(text) if text else default
        return tuple(Path(name).expanduser() for name in names if name.lower() != _NONE)


def of_jump(jump: Jump, host: Host) -> Host:
    """Return a host on the way as a host. As in OpenSSH, the options for the target are not for it."""
    return replace(
        host,
        name=f"{jump.address} (on the way to {host.name})",
        address=jump.address,
        port=jump.port,
        user=jump.user,
        key_file=None,
        become=False,
        ssh_options={},
    )


def _checked(pattern: re.Pattern[str], text: str, what: str, host: Host) -> str:
    if not pattern.fullmatch(text):
        raise HostError(f'{host.name}: "{text}" is no {what}')
    return text
