# SPDX-License-Identifier: Apache-2.0
"""A new fleet repository is right from the start, and is the reference fleet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from fleetsched.errors import InputError
from fleetsched.fleetrepo.revision import head
from fleetsched.model.controller import Trust
from fleetsched.operations.init import init
from fleetsched.operations.validate import validate

CHECKOUT = Path(__file__).parents[3]


def test_a_new_repository_is_valid_and_ready_for_git(tmp_path: Path) -> None:
    written = init(tmp_path / "fleet")
    names = [str(path.relative_to(tmp_path / "fleet")) for path in written]
    assert [name for name in names if not name.startswith("fleetsched/")] == [
        "fleetsched.yaml",
        "inventory/groups.yaml",
        "manifests/lab.yaml",
        ".gitignore",
        "README.md",
        "policies/fair/policy.yaml",
        "policies/fair/fair.bpf.c",
        "policies/fair/policy.lock.yaml",
        "policies/fair/README.md",
    ]
    fleet = validate(tmp_path / "fleet")
    assert list(fleet.goals) == ["lab-fairness"]
    assert head(tmp_path / "fleet", Trust()).objections == ("no-commit: nothing is committed yet",)


def test_an_editor_finds_the_schema_that_each_file_names(tmp_path: Path) -> None:
    init(tmp_path)
    schemas = tmp_path / "fleetsched" / "schemas"
    stored = {file.name: json.loads(file.read_text()) for file in schemas.iterdir()}
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(schema)) for name, schema in stored.items()
    )
    seen = []
    for file in sorted(tmp_path.rglob("*.yaml")):
        first = file.read_text().splitlines()[0]
        if first.startswith("# yaml-language-server: $schema="):
            named = (file.parent / first.partition("$schema=")[2]).resolve()
            validator = Draft202012Validator(stored[named.name], registry=registry)
            for document in yaml.safe_load_all(file.read_text()):
                assert list(validator.iter_errors(document)) == []
                assert list(validator.iter_errors({**document, "nonsense": 1})) != []
            seen.append((str(file.relative_to(tmp_path)), str(named.relative_to(tmp_path))))
    assert seen == [
        ("fleetsched.yaml", "fleetsched/schemas/fleet.json"),
        ("manifests/lab.yaml", "fleetsched/schemas/manifest.json"),
        ("policies/fair/policy.yaml", "fleetsched/schemas/policy.json"),
    ]


def test_the_labs_hosts_belong_to_its_goal_once_the_lab_is_up(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / "inventory" / "lab.yaml").write_text(
        'lab: {hosts: {"lab-[1:3]": {ansible_host: 127.0.0.1}}}\n'
    )
    fleet = validate(tmp_path)
    assert [host.name for host in fleet.hosts("lab")] == ["lab-1", "lab-2", "lab-3"]
    assert fleet.warnings == ()
    assignment = fleet.assignment(fleet.goals["lab-fairness"])
    assert assignment is not None
    assert assignment.policy == "fair"


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError) as caught:
        init(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is not an empty folder\n  name one that is empty or not there yet"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_this_checkout_is_a_valid_fleet_repository() -> None:
    fleet = validate(CHECKOUT, [CHECKOUT / "inventory" / "groups.yaml"])
    assert set(fleet.locks) == {name for name, policy in fleet.policies.items() if policy.program is None}
