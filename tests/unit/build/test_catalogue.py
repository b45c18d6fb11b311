# SPDX-License-Identifier: Apache-2.0
"""What every policy of the catalogue, and every broken one of the tests, keeps to."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from fleetsched.build.objects import inspect_object
from fleetsched.build.policy import compile_policy
from fleetsched.errors import BuildError
from fleetsched.fleetrepo.load import load_policy
from fleetsched.model.metrics import FEATURES
from fleetsched.operations.lock import lock
from tests.policies.table import BAD, BEFORE_ANY_KERNEL

PROJECT = Path(__file__).resolve().parents[3]
CATALOGUE = sorted(file.parent for file in PROJECT.glob("policies/*/*.bpf.c"))
PROGRAMS = sorted(file.parent for file in PROJECT.glob("policies/scx-*/policy.yaml"))
FOR_KERNELS = [row.folder for row in BAD if row.gate not in BEFORE_ANY_KERNEL]
"""Broken policies that are wrong only for a kernel."""
LOCKED = sorted(file.parent for file in PROJECT.glob("tests/policies/*/policy.lock.yaml"))
"""Broken policies that other tests put into fleets."""
DOES_NOT_COMPILE = "does-not-compile"
SIZE_LIMIT = 48_000


def name(folder: Path) -> str:
    return folder.name


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A fleet repository with the broken policies that have a lock."""
    for folder in LOCKED:
        shutil.copytree(folder, tmp_path / "policies" / folder.name)
    return tmp_path


def test_the_catalogue_is_complete() -> None:
    assert list(map(name, CATALOGUE)) == [
        "batch",
        "cgroupfair",
        "deadline",
        "fair",
        "interactive",
        "isolate",
        "pack",
        "spread",
        "throughput",
        "vm",
    ]
    assert list(map(name, PROGRAMS)) == [
        "scx-bpfland",
        "scx-cosmos",
        "scx-flash",
        "scx-lavd",
        "scx-layered",
        "scx-p2dq",
        "scx-rusty",
        "scx-tickless",
    ]
    assert list(map(name, LOCKED)) == [
        "exits-late",
        "forbidden-cpu",
        "init-fails",
        "no-hotplug",
        "stall",
        "stalls-late",
        "verifier-rejects",
    ]


def test_locks_are_up_to_date() -> None:
    outcomes = {result.lock.policy: result.outcome for result in lock(PROJECT, [], check=True)}
    assert outcomes == {
        **{name(each): "unchanged" for each in CATALOGUE},
        **{name(each): "not locked" for each in PROGRAMS},
    }


def test_locks_of_the_broken_policies_are_up_to_date(repository: Path) -> None:
    assert [result.lock.policy for result in lock(repository, [], check=True)] == [
        folder.name for folder in LOCKED
    ]


@pytest.mark.parametrize("folder", CATALOGUE + FOR_KERNELS, ids=name)
def test_objects_are_small_and_without_warnings(folder: Path, cache: Path) -> None:
    compiled = compile_policy(folder, {}, cache=cache)
    assert compiled.diagnostics == ()
    assert len(compiled.image) < SIZE_LIMIT


@pytest.mark.parametrize("folder", CATALOGUE, ids=name)
def test_policies_survive_hotplug(folder: Path, cache: Path) -> None:
    programs = inspect_object(compile_policy(folder, {}, cache=cache).image).programs
    assert {f"{folder.name}_cpu_online", f"{folder.name}_cpu_offline"} <= set(programs)


@pytest.mark.parametrize("folder", CATALOGUE + PROGRAMS, ids=name)
def test_readmes_explain_every_parameter(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    documented = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE))
    declared = load_policy(folder).parameters
    assert documented == {parameter: str(each.default) for parameter, each in declared.items()}


@pytest.mark.parametrize("folder", CATALOGUE + PROGRAMS, ids=name)
def test_manifests_say_what_a_policy_costs_and_how_it_fails(folder: Path) -> None:
    policy = load_policy(folder)
    assert policy.algorithm
    assert policy.cost
    assert policy.failure_modes
    assert policy.suitability.keys() <= FEATURES.keys()
    assert all(each.minimum is not None and each.doc for each in policy.parameters.values())


@pytest.mark.parametrize("folder", PROGRAMS, ids=name)
def test_readmes_of_programs_say_since_when_each_option_is_there(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    program = load_policy(folder).program
    assert program is not None
    for option in (each for each in program.args if each.startswith("--") and each != "--run-example"):
        assert re.search(rf"`{option}`, from v\d+\.\d+\.\d+: ", text), option


@pytest.mark.parametrize("folder", CATALOGUE, ids=name)
def test_readmes_say_why_nothing_starves(folder: Path) -> None:
    assert "**Nothing starves.**" in (folder / "README.md").read_text()


@pytest.mark.parametrize("folder", CATALOGUE, ids=name)
def test_sources_say_what_keeps_tasks_from_starving(folder: Path) -> None:
    source = (folder / f"{folder.name}.bpf.c").read_text()
    assert source.startswith(f"// SPDX-License-Identifier: GPL-2.0-only\n/*\n * {folder.name}: ")
    assert " * Nobody starves: " in source


def test_what_does_not_compile_says_where(cache: Path) -> None:
    with pytest.raises(BuildError) as caught:
        compile_policy(PROJECT / "tests" / "policies" / DOES_NOT_COMPILE, {}, cache=cache)
    assert caught.value.message == (
        "policies/does-not-compile/does-not-compile.bpf.c:13:40: error: "
        "use of undeclared identifier 'slice_that_nobody_declared'"
    )
