# SPDX-License-Identifier: Apache-2.0
"""The same inventories give the same hosts, groups and variables as the real Ansible gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetsched.inventory.read import read_inventory
from fleetsched.model.inventory import Host, Inventory

HERE = Path(__file__).parent / "ansible"
SOURCES = {
    "web-shop": ["hosts.yaml"],
    "ini-classic": ["hosts"],
    "group-vars": ["hosts.yml"],
    "priorities": ["inventory.yaml"],
    "inventory-versus-files": ["inventory.yaml"],
    "folder": ["inventory"],
    "several": ["first/hosts.yaml", "second/hosts.yaml"],
    "program": ["cloud.py"],
    "program-without-meta": ["old.sh"],
    "addresses": ["hosts.yaml"],
    "patterns": ["hosts.yaml"],
}
PATTERNS = [
    "web:&prod:!web-07",
    "web-0*:!stage",
    "~web-0[1-3]$",
    "web[0:2]",
    "web[-1],db[1:]",
    "prod:!db",
    "!web",
    "&stage",
    "all:!web-*:!db-1",
    "*-1",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Ansible may write; its configuration is empty."""
    folder = tmp_path_factory.mktemp("ansible")
    (folder / "ansible.cfg").touch()
    return folder


def ansible(home: Path, program: str, *arguments: str) -> str:
    """Run a program of Ansible, apart from the user's own configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
        "LC_ALL": "C.UTF-8",
    }
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sources(name: str) -> list[Path]:
    return [HERE / name / file for file in SOURCES[name]]


def ours(name: str) -> Inventory:
    reading = read_inventory(sources(name), HERE, run_programs=True)
    assert reading.problems == ()
    return reading.inventory


def members(listing: dict[str, Any], group: str) -> set[str]:
    """The hosts of a group and of all below it."""
    entry = listing.get(group, {})
    below = (members(listing, child) for child in entry.get("children", []))
    return set(entry.get("hosts", [])).union(*below)


def connection(host: Host) -> dict[str, Any]:
    """What was read of the variables that say how a host is reached, by their names."""
    given = {
        "ansible_host": host.address if host.address != host.name else None,
        "ansible_port": host.port,
        "ansible_user": host.user,
        "ansible_connection": "local" if host.connection == "local" else None,
    }
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize("name", SOURCES)
def test_hosts_groups_and_variables_are_ansibles(name: str, home: Path) -> None:
    arguments = [word for source in sources(name) for word in ("-i", str(source))]
    listing = json.loads(ansible(home, "ansible-inventory", *arguments, "--list"))
    inventory = ours(name)

    theirs = {host: listing["_meta"]["hostvars"].get(host, {}) for host in members(listing, "all")}
    for variables in theirs.values():
        variables.pop("ansible_group_priority", None)
    assert {host: {**each.variables, **connection(each)} for host, each in inventory.hosts.items()} == theirs
    groups = {group for group in listing if group != "_meta"} - {"all", "ungrouped"}
    assert {group: set(inventory.groups[group]) for group in groups} == {
        group: members(listing, group) for group in groups
    }


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_select_the_hosts_that_ansible_selects(pattern: str, home: Path) -> None:
    printed = ansible(home, "ansible", "-i", str(*sources("patterns")), "--list-hosts", pattern)
    theirs = [line.strip() for line in printed.splitlines()[1:]]
    assert [host.name for host in ours("patterns").select(pattern)] == theirs
