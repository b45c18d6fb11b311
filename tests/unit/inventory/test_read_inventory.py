# SPDX-License-Identifier: Apache-2.0
"""Ansible inventories: what a host gets of them, and what a person sees when something is wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetsched.inventory.connection import Findings
from fleetsched.inventory.ini import read_ini
from fleetsched.inventory.read import InventoryReading, read_inventory
from fleetsched.inventory.tree import Tree
from fleetsched.model.inventory import Host


def read(tmp_path: Path, text: str) -> InventoryReading:
    (tmp_path / "inventory.yaml").write_text(text)
    return read_inventory([tmp_path / "inventory.yaml"], tmp_path)


def problems(reading: InventoryReading) -> list[str]:
    return [str(problem) for problem in reading.problems]


def test_groups_children_hosts_and_ranges_are_read(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        """
all:
  children:
    prod:
      children:
        web: {hosts: {"web-[01:02]": }}
        db: {hosts: db-1}
  hosts:
    lonely:
""",
    )
    assert problems(reading) == []
    assert reading.inventory.groups == {
        "all": ("lonely", "web-01", "web-02", "db-1"),
        "prod": ("web-01", "web-02", "db-1"),
        "web": ("web-01", "web-02"),
        "db": ("db-1",),
        "ungrouped": ("lonely",),
    }
    assert reading.inventory.hosts["web-01"] == Host("web-01", "web-01", groups=("prod", "web"))


def test_a_nearer_group_wins_then_the_later_name_then_the_host(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        """
all:
  vars: {a: all, b: all, c: all, d: all, e: all}
parent:
  vars: {b: parent, c: parent, d: parent, e: parent}
  children: {child_b: , child_a: }
child_b: {hosts: {h: {e: host}}, vars: {c: child_b, d: child_b, e: child_b}}
child_a: {hosts: {h: }, vars: {c: child_a, e: child_a}}
""",
    )
    expected = {"a": "all", "b": "parent", "c": "child_b", "d": "child_b", "e": "host"}
    assert reading.inventory.hosts["h"].variables == expected


def test_a_groups_priority_decides_among_equals(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        "a: {hosts: {h: }, vars: {x: a, ansible_group_priority: 10}}\nb: {hosts: {h: }, vars: {x: b}}\n",
    )
    assert reading.inventory.hosts["h"].variables == {"x": "a"}


def test_connection_variables_say_how_a_host_is_reached(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        """
web:
  vars:
    ansible_user: admin
    ansible_become: yes
    ansible_ssh_common_args: >-
      -o UserKnownHostsFile=/tmp/known -o 'StrictHostKeyChecking yes' -J gate -oIdentitiesOnly=yes
    ansible_ssh_extra_args: -o ProxyJump=other -p 2200 -C
    ansible_python_interpreter: /usr/bin/python3
  hosts:
    web-1: {ansible_host: 10.0.0.1, ansible_port: 2222, ansible_ssh_private_key_file: ~/.ssh/web, tier: front}
    web-2:2201: {ansible_connection: local}
    web-3:
""",
    )
    options = {
        "userknownhostsfile": "/tmp/known",
        "stricthostkeychecking": "yes",
        "proxyjump": "gate",
        "identitiesonly": "yes",
        "compression": "yes",
    }
    common = {"user": "admin", "become": True, "ssh_options": options, "groups": ("web",)}
    assert problems(reading) == []
    assert reading.warnings == ()
    assert list(reading.inventory.hosts.values()) == [
        Host("web-1", "10.0.0.1", 2222, key_file="~/.ssh/web", variables={"tier": "front"}, **common),  # type: ignore[arg-type]
        Host("web-2", "web-2", 2201, connection="local", **common),  # type: ignore[arg-type]
        Host("web-3", "web-3", 2200, **common),  # type: ignore[arg-type]
    ]


def test_a_folder_is_read_in_ascii_order_and_later_files_win(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "10-a.yaml").write_text("web: {hosts: {h: {x: 1, y: 1}}}\n")
    (tmp_path / "20-b.yml").write_text("web: {hosts: {i: , h: {y: 2}}}\n")
    (tmp_path / "sub" / "c.yaml").write_text("db: {hosts: {h: {z: 3}}}\n")
    for ignored in ("README.md", ".hidden", "a.yaml~", "a.yaml.bak"):
        (tmp_path / ignored).write_text("not read")
    reading = read_inventory([tmp_path], tmp_path)
    assert problems(reading) == []
    assert reading.inventory.hosts["h"].variables == {"x": 1, "y": 2, "z": 3}
    assert reading.inventory.groups["web"] == ("h", "i")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[web]\n", "inventory.yaml:1:1: expected groups by name, such as `all:`, got a list"),
        (
            "web: {host: {a: }}\n",
            'inventory.yaml:1:7: unknown field "host" of a group; did you mean "hosts"?',
        ),
        (
            "web:\n  hosts: [a]\n",
            "inventory.yaml:2:10: `hosts`: expected hosts by name, each with a colon at its end, got a list",
        ),
        ("web: 3\n", "inventory.yaml:1:6: group `web`: expected `hosts`, `vars` and `children`, got 3"),
        (
            "web:\n  hosts:\n    -oFoo:\n",
            'inventory.yaml:3:5: expected a host\'s name of letters, digits, `_`, `.` and `-`, got "-oFoo"',
        ),
        (
            "we:b: {}\n",
            'inventory.yaml:1:1: expected a group\'s name without `:`, `,` and brackets, got "we:b"',
        ),
        (
            "web:\n  hosts:\n    a[3:1]:\n",
            'inventory.yaml:3:5: host "a[3:1]": range [3:1] ends before it begins',
        ),
        (
            "web: {hosts: {a: {ansible_port: 70000}}}\n",
            "inventory.yaml:1:33: `ansible_port`: expected a port from 1 to 65535, got 70000",
        ),
        (
            'web: {hosts: {a: {ansible_host: "{{ ip }}"}}}\n',
            "inventory.yaml:1:33: `ansible_host` is a template: not supported; write the value",
        ),
        (
            "web: {hosts: {a: {ansible_host: !vault x}}}\n",
            "inventory.yaml:1:33: `ansible_host` is encrypted (!vault): not supported; write the value",
        ),
        (
            "web: {hosts: {a: {ansible_user: -oFoo}}}\n",
            'inventory.yaml:1:33: `ansible_user`: expected one word without a leading hyphen, got "-oFoo"',
        ),
        (
            "web: {hosts: {a: {ansible_password: x}}}\n",
            "inventory.yaml:1:37: `ansible_password`: passwords are not read from inventories; "
            "use keys and NOPASSWD sudo",
        ),
        (
            "web: {hosts: {a: {ansible_connection: winrm}}}\n",
            'inventory.yaml:1:39: `ansible_connection`: expected ssh or local, got "winrm"',
        ),
        (
            "web: {hosts: {a: {ansible_become_user: bob}}}\n",
            'inventory.yaml:1:40: `ansible_become_user`: only root is supported, got "bob"',
        ),
        (
            "web: {hosts: {a: {ansible_ssh_common_args: -X now}}}\n",
            'inventory.yaml:1:44: `ansible_ssh_common_args`: "-X" is not understood; use `-o Name=value`',
        ),
        (
            "plugin: aws_ec2\n",
            "inventory.yaml:1:1: inventory plugins are not run: "
            "save `ansible-inventory --list --yaml` as a file",
        ),
        (
            "a: {children: {b: }}\nb: {children: {a: }}\n",
            "inventory.yaml:1:16: groups are children of each other in a circle: a > b > a",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(read(tmp_path, text)) == [expected]


def test_encrypted_variables_that_are_not_needed_do_no_harm(tmp_path: Path) -> None:
    reading = read(tmp_path, "web: {hosts: {a: {db_password: !vault x}}}\n")
    assert problems(reading) == []


def test_a_token_is_a_mistake_and_what_is_called_a_secret_a_warning_once(tmp_path: Path) -> None:
    text = """\
web:
  hosts: {'web-[1:3]': {db_password: hunter2, tls_key_file: /etc/key.pem}}
  vars: {ci: {url: 'https://ci', job: glpat-0123456789abcdefghij}, db_token: '{{ vaulted }}'}
"""
    reading = read(tmp_path, text)
    advice = "whoever reads the file has it; revoke it, and encrypt the new one with ansible-vault"
    assert problems(reading) == [f"inventory.yaml:3:39: this looks like a GitLab token: {advice}"]
    assert [str(warning) for warning in reading.warnings] == [
        f'inventory.yaml:2:38: "db_password" looks like a secret in the clear: {advice}'
    ]


def test_an_unknown_connection_variable_is_a_warning(tmp_path: Path) -> None:
    reading = read(tmp_path, "web: {hosts: {'a[1:9]': {ansible_hots: x}}}\n")
    (warning,) = reading.warnings
    assert str(warning) == (
        'inventory.yaml:1:40: `ansible_hots` has no meaning here and is ignored; did you mean "ansible_host"?'
    )


def test_a_program_runs_only_when_somebody_vouches_for_it(tmp_path: Path) -> None:
    program = tmp_path / "dynamic.sh"
    program.write_text(f'#!/bin/sh\ntouch {tmp_path}/executed\necho \'{{"web": ["a"], "_meta": {{}}}}\'\n')
    program.chmod(0o755)
    assert problems(read_inventory([program, tmp_path / "gone"], tmp_path)) == [
        "dynamic.sh: is a program, and nobody vouches for it: it is run when the revision is approved, "
        "or with `-i dynamic.sh`",
        "gone: no such inventory",
    ]
    assert not (tmp_path / "executed").exists()
    assert [*read_inventory([program], tmp_path, run_programs=True).inventory.hosts] == ["a"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo no credentials >&2; exit 3", "dynamic.sh --list: ended with exit code 3: no credentials"),
        ("exit 3", "dynamic.sh --list: ended with exit code 3: it said nothing"),
        ("true", "dynamic.sh --list: printed nothing"),
        ("echo '[1]'", "dynamic.sh --list:1:1: expected groups by name, got a list"),
        (
            "echo '{\"web\":'",
            "dynamic.sh --list:2:1: not JSON: expected a value, got nothing",
        ),
        (
            'echo \'{"web": 7, "_meta": {}}\'',
            "dynamic.sh --list:1:9: group `web`: expected hosts, vars and children, got 7",
        ),
    ],
)
def test_a_program_that_fails_is_told_with_what_it_said(tmp_path: Path, script: str, message: str) -> None:
    program = tmp_path / "dynamic.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert problems(read_inventory([program], tmp_path, run_programs=True)) == [message]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[web\na\n", 'hosts:1:1: expected a section such as [web] or [web:vars], got "[web"'),
        ("[web:host]\n", "hosts:1:1: section [web:host]: expected hosts, children, vars after the colon"),
        ("[web]\na b\n", 'hosts:2:1: expected name=value after the host, got "b"'),
        ("[web]\n  a 'b\n", 'hosts:2:3: "a \'b": no closing quotation'),
        (
            "[web]\na[1:x]\n",
            'hosts:2:1: host "a[1:x]": range [1:x] goes neither from number to number nor from letter '
            "to letter",
        ),
        ("[web:vars]\nx\n[web]\n", 'hosts:2:1: expected name=value, got "x"'),
        ("[prod:children]\nwbe\n[web]\n", 'hosts:2:1: group "wbe" is nowhere defined'),
    ],
)
def test_a_mistake_in_an_ini_inventory_is_named_with_its_place(
    tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "hosts").write_text(text)
    assert problems(read_inventory([tmp_path / "hosts"], tmp_path)) == [expected]


def test_encrypted_variable_files_are_a_warning_and_encrypted_connections_a_problem(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n3132\n")
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "a.yml").write_text(
        "ansible_host: !vault |\n  $ANSIBLE_VAULT;1.1\nx: '{{ y }}'\n"
    )
    reading = read(tmp_path, "web: {hosts: {a: }}\n")
    assert [str(warning) for warning in reading.warnings] == [
        "group_vars/all.yml: is encrypted by ansible-vault: its variables are not known here"
    ]
    assert problems(reading) == [
        "host_vars/a.yml:1:15: `ansible_host` is encrypted (!vault): not supported; write the value"
    ]


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("[]:=a1 #'\"\n{}\\,-")))
def test_whatever_an_ini_inventory_says_it_is_read_or_refused(text: str) -> None:
    findings = Findings()
    tree = Tree()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hosts"
        file.write_text(text)
        read_ini(file, "hosts", tree, findings)
    assert tree.inventory(findings).groups["all"] == tuple(tree.hosts)
