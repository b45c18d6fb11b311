# SPDX-License-Identifier: Apache-2.0
"""Where each SSH setting comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleetsched.errors import HostError, InputError
from fleetsched.model.inventory import Host
from fleetsched.transport.ssh_options import Jump, SshDefaults, SshOptions, UserConfig, of_jump, resolve

CONFIG = """
Host web-1.example
  HostName 10.0.0.1
  User config-user
  Port 2201
  IdentityFile /keys/config
  IdentitiesOnly yes
  UserKnownHostsFile /hosts/config "/hosts/with blank"
  ConnectTimeout 5
  ServerAliveInterval 7
  ProxyJump admin@bastion:2222
Host proxied
  ProxyCommand connect %h %p %r
"""
DEFAULTS = SshDefaults(user="file-user", key_file="/keys/file", connect_timeout_s=20)
WEB_1 = Host("web-1", "web-1.example")
OTHER = Host("db-1", "db-1.example")


@pytest.fixture
def config(tmp_path: Path) -> UserConfig:
    file = tmp_path / "config"
    file.write_text(CONFIG, encoding="utf-8")
    return UserConfig(file)


def paths(*names: str) -> tuple[Path, ...]:
    return tuple(map(Path, names))


def test_the_users_configuration_counts_before_the_controllers_file(config: UserConfig) -> None:
    assert resolve(WEB_1, config, DEFAULTS) == SshOptions(
        host="web-1",
        address="10.0.0.1",
        port=2201,
        key_name="[10.0.0.1]:2201",
        user="config-user",
        key_files=paths("/keys/config"),
        key_files_given=True,
        identities_only=True,
        known_hosts=paths(
            "/hosts/config", "/hosts/with blank", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"
        ),
        trust_file=Path("/hosts/config"),
        connect_timeout_s=5.0,
        keepalive_s=7,
        jumps=(Jump("bastion", "admin", 2222),),
        proxy_command="",
        become=True,
    )


def test_the_controllers_file_counts_before_the_defaults(config: UserConfig) -> None:
    options = resolve(OTHER, config, DEFAULTS)
    assert (options.address, options.port, options.key_name) == ("db-1.example", 22, "db-1.example")
    assert (options.user, options.key_files) == ("file-user", paths("/keys/file"))
    assert (options.connect_timeout_s, options.keepalive_s) == (20.0, 15)


def test_without_anything_said_the_usual_keys_and_files_count(config: UserConfig) -> None:
    options = resolve(OTHER, config, SshDefaults())
    home = Path.home()
    assert options.key_files == tuple(home / ".ssh" / f"id_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
    assert not options.key_files_given
    assert options.known_hosts[:2] == (home / ".ssh/known_hosts", home / ".ssh/known_hosts2")


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"user": "inventory-user"}, "user", "inventory-user"),
        ({"port": 2202}, "port", 2202),
        ({"port": 2202}, "key_name", "[10.0.0.1]:2202"),
        ({"port": 22}, "key_name", "10.0.0.1"),
        ({"key_file": "/keys/inventory"}, "key_files", paths("/keys/inventory")),
        ({"become": False}, "become", False),
        ({"user": "root"}, "become", False),
        ({"user": "root", "become": True}, "become", True),
        ({"ssh_options": {"user": "option-user"}}, "user", "option-user"),
        ({"user": "inventory-user", "ssh_options": {"user": "option-user"}}, "user", "inventory-user"),
        ({"ssh_options": {"port": "2203"}}, "port", 2203),
        ({"ssh_options": {"identityfile": "/keys/option"}}, "key_files", paths("/keys/option")),
        ({"ssh_options": {"identitiesonly": "no"}}, "identities_only", False),
        ({"ssh_options": {"hostkeyalias": "web"}}, "key_name", "web"),
        ({"ssh_options": {"proxyjump": "none"}}, "jumps", ()),
        (
            {"ssh_options": {"proxyjump": "a,ssh://b@c:23,[::1]:24"}},
            "jumps",
            (Jump("a", None, None), Jump("c", "b", 23), Jump("::1", None, 24)),
        ),
        (
            {"ssh_options": {"userknownhostsfile": "/hosts/option", "globalknownhostsfile": "none"}},
            "known_hosts",
            paths("/hosts/option"),
        ),
        ({"ssh_options": {"userknownhostsfile": "none"}}, "trust_file", None),
        ({"ssh_options": {"connecttimeout": "3"}}, "connect_timeout_s", 3.0),
        ({"ssh_options": {"serveraliveinterval": "0"}}, "keepalive_s", 0),
    ],
)
def test_the_inventory_counts_before_the_users_configuration(
    config: UserConfig, changes: dict[str, Any], field: str, value: object
) -> None:
    assert getattr(resolve(replace(WEB_1, **changes), config, DEFAULTS), field) == value


def test_a_proxy_command_gets_the_names_that_count(config: UserConfig) -> None:
    host = Host("proxied", "proxied", port=2204, user="inventory-user")
    assert resolve(host, config, DEFAULTS).proxy_command == "connect proxied 2204 inventory-user"


def test_a_jump_host_does_not_inherit_the_options_of_the_host_behind_it(config: UserConfig) -> None:
    host = replace(WEB_1, user="root", key_file="/keys/x", ssh_options={"port": "99"})
    jump = of_jump(Jump("bastion", "admin", None), host)
    options = resolve(jump, config, DEFAULTS)
    assert (options.host, options.address, options.port, options.user, options.key_files) == (
        "bastion (on the way to web-1)",
        "bastion",
        22,
        "admin",
        paths("/keys/file"),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"address": "-oProxyCommand=id"}, 'web-1: "-oProxyCommand=id" is no address'),
        ({"address": "a;id"}, 'web-1: "a;id" is no address'),
        ({"address": "a b"}, 'web-1: "a b" is no address'),
        ({"user": "$(id)"}, 'web-1: "$(id)" is no user'),
        ({"user": "-l"}, 'web-1: "-l" is no user'),
        ({"ssh_options": {"user": "a;id"}}, 'web-1: "a;id" is no user'),
        ({"ssh_options": {"hostname": "-x"}}, 'web-1: "-x" is no address'),
        ({"ssh_options": {"port": "no"}}, "web-1: port no is no number from 1 to 65535"),
        ({"ssh_options": {"port": "65536"}}, "web-1: port 65536 is no number from 1 to 65535"),
        ({"ssh_options": {"proxyjump": "a:b:c"}}, 'web-1: ProxyJump "a:b:c" is not [USER@]HOST[:PORT]'),
        (
            {"ssh_options": {"proxycommand": "nc %h %p"}},
            "web-1: a ProxyCommand in the inventory would run a program of the repository here",
        ),
    ],
)
def test_what_could_become_a_command_or_cannot_be_meant_is_refused(
    config: UserConfig, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(HostError) as refused:
        resolve(replace(WEB_1, **changes), config, DEFAULTS)
    assert refused.value.message == message


def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("Host a\n  Port\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"^{file} cannot be read: "):
        UserConfig(file)


def test_a_configuration_that_does_not_exist_says_nothing(tmp_path: Path) -> None:
    assert UserConfig(tmp_path / "none").lookup("a", None, None) == {"hostname": "a"}
