# SPDX-License-Identifier: Apache-2.0
"""Inventories as people and programs really write them, and what is refused of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.inventory.read import InventoryReading, read_inventory


def read(folder: Path, text: str, name: str = "hosts.json", *, mode: int = 0o644) -> InventoryReading:
    file = folder / name
    file.write_text(text)
    file.chmod(mode)
    return read_inventory([file], folder, run_programs=True)


def groups(reading: InventoryReading) -> dict[str, list[str]]:
    assert reading.problems == ()
    return {name: [*members] for name, members in reading.inventory.groups.items()}


def problems(reading: InventoryReading) -> list[str]:
    return [str(problem) for problem in reading.problems]


def test_a_listing_gives_groups_children_and_variables(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        """{"_meta": {"hostvars": {"a": {"ansible_port": 2222}, "stranger": {"x": 1}}},
            "web": {"hosts": ["a", "b"], "vars": {"ansible_user": "ops"}},
            "old": ["c"],
            "prod": {"children": ["web", "old"]}}""",
    )
    found = groups(reading)
    assert (found["web"], found["prod"], found["all"]) == (["a", "b"], ["a", "b", "c"], ["a", "b", "c"])
    hosts = reading.inventory.hosts
    assert (hosts["a"].port, hosts["a"].user, hosts["c"].user) == (2222, "ops", None)
    assert "stranger" not in hosts


def test_variables_without_hosts_make_a_host_of_the_groups_name(tmp_path: Path) -> None:
    reading = read(tmp_path, '{"_meta": {}, "solo": {"ansible_user": "ops"}}')
    assert groups(reading)["solo"] == ["solo"]
    assert reading.inventory.hosts["solo"].user == "ops"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"_meta": {}, "web": {"hosts": ["-oProxyCommand=x"]}}',
            "hosts.json:1:33: expected a host's name of letters, digits, `_`, `.` and `-`, got"
            ' "-oProxyCommand=x"',
        ),
        (
            '{"_meta": {}, "web:x": {"hosts": []}}',
            'hosts.json:1:15: expected a group\'s name without `:`, `,` and brackets, got "web:x"',
        ),
        ('{"_meta": {}, "web": {"hosts": "a"}}', 'hosts.json:1:32: `hosts`: expected a list, got "a"'),
        ('{"_meta": {}, "web": {"hosts": [1]}}', "hosts.json:1:33: expected a host's name, got 1"),
        ('{"_meta": {}, "web": {"children": [1]}}', "hosts.json:1:36: expected a group's name"),
        (
            '{"_meta": {"hostvars": []}, "web": ["a"]}',
            "hosts.json:1:24: `hostvars`: expected hosts by name, got a list",
        ),
        (
            '{"_meta": {}, "web": 3}',
            "hosts.json:1:22: group `web`: expected hosts, vars and children, got 3",
        ),
    ],
)
def test_a_mistake_in_a_listing_is_named_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(read(tmp_path, text)) == [problem]


def test_a_circle_of_groups_is_a_mistake(tmp_path: Path) -> None:
    reading = read(tmp_path, "[a:children]\nb\n[b:children]\na\n", "hosts")
    assert len(reading.problems) == 1
    assert "a" in str(reading.problems[0])


def test_ini_values_are_python_literals_or_text(tmp_path: Path) -> None:
    text = "[web]\nh ansible_port=22 a='[1, 2]' b=\"{'k': True}\" c=1.2.3 d=True e=word # comment\n"
    variables = read(tmp_path, text, "hosts").inventory.hosts["h"].variables
    assert {name: variables[name] for name in "abcde"} == {
        "a": [1, 2],
        "b": {"k": True},
        "c": "1.2.3",
        "d": True,
        "e": "word",
    }


@pytest.mark.parametrize(
    ("name", "text", "mode", "problem"),
    [
        (
            "cloud",
            "#!/bin/sh\necho {}\n",
            0o644,
            "cloud: begins with `#!` but is not executable: make it so with `chmod +x`",
        ),
        (
            "hosts.toml",
            "[web]\n",
            0o644,
            "hosts.toml: inventories in TOML are not read: save `ansible-inventory --list --yaml` as a file",
        ),
        (
            "hosts.yaml",
            "$ANSIBLE_VAULT;1.1;AES256\n3132\n",
            0o644,
            "hosts.yaml: is encrypted by ansible-vault: decrypt it, or save"
            " `ansible-inventory --list --yaml` as a file",
        ),
        ("cloud", "#!/bin/sh\n", 0o755, "cloud --list: printed nothing"),
        (
            "cloud",
            "#!/bin/sh\necho '[1'\n",
            0o755,
            'cloud --list:2:1: not JSON: expected ",", got nothing',
        ),
        (
            "cloud",
            '#!/bin/sh\n[ "$1" = --list ] && echo \'{"web": ["a"]}\' && exit\necho lost >&2; exit 3\n',
            0o755,
            "cloud --host a: ended with exit code 3: lost",
        ),
    ],
)
def test_what_is_no_inventory_is_refused_with_what_to_do(
    tmp_path: Path, name: str, text: str, mode: int, problem: str
) -> None:
    assert problems(read(tmp_path, text, name, mode=mode)) == [problem]


def test_a_program_may_say_nothing_of_a_host(tmp_path: Path) -> None:
    script = '#!/bin/sh\n[ "$1" = --list ] && echo \'{"web": ["a", "b"]}\'\nexit 0\n'
    assert groups(read(tmp_path, script, "cloud", mode=0o755))["web"] == ["a", "b"]


def test_what_a_program_has_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetsched.inventory.programs._LIMIT_S", 1.0)
    marker = tmp_path / "marker"
    script = f"#!/bin/sh\n(trap '' TERM; sleep 3; touch {marker}) &\nsleep 60\n"
    assert problems(read(tmp_path, script, "cloud", mode=0o755)) == ["cloud --list: did not end within 1 s"]
    assert not marker.exists()


def test_a_link_to_a_folder_above_is_not_followed_for_ever(tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "loop").symlink_to(tmp_path / "inventory")
    (tmp_path / "inventory" / "pipe").symlink_to("/dev/null")
    reading = read_inventory([tmp_path / "inventory"], tmp_path)
    assert problems(reading) == [
        "inventory/loop: is a link to a folder that it lies in",
        "inventory/pipe: is neither a file nor a folder",
    ]
