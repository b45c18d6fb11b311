# SPDX-License-Identifier: Apache-2.0
"""The helper judges objects as fleetsched/build/allowed.py does, by the same lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetsched.build import allowed
from fleetsched.build.allowed import check_allowed
from fleetsched.build.btf import MOST_LINKS
from fleetsched.build.policy import compile_policy
from fleetsched.errors import BuildError
from tests.conformance.runner import REFUSED as REFUSED_FOLDERS
from tests.conformance.simulation import BEHAVIOURS
from tests.policies.table import BAD, BEFORE_ANY_KERNEL
from tests.unit.build.conftest import MINIMAL
from tests.unit.build.hostile import (
    ARRAY,
    GOOD,
    INSTRUCTIONS,
    REFUSED,
    TRICKS,
    Compile,
    a_map,
    damaged,
    with_instruction,
)
from tests.unit.helper.conftest import HELPER

PROJECT = HELPER.parents[1]
CATALOGUE = sorted(source.parent for source in (PROJECT / "policies").glob("*/*.bpf.c*"))
POLICIES = CATALOGUE + [row.folder for row in BAD if row.gate not in BEFORE_ANY_KERNEL]
SEVERAL_MAPS = a_map(f"{ARRAY} __type(value, u64[4]); __uint(max_entries, 2);") + (
    "struct { __uint(type, BPF_MAP_TYPE_TASK_STORAGE); __uint(map_flags, BPF_F_NO_PREALLOC);"
    ' __type(key, int); __type(value, u64); } of_tasks SEC(".maps");\n'
)
MORE_THAN_A_POLICY = sorted(REFUSED_FOLDERS.iterdir())
Inspect = Callable[[bytes], str]


def judged_here(image: bytes) -> str:
    """What the controller has against an object; empty when it allows it."""
    try:
        check_allowed(image, "small")
    except BuildError as error:
        return error.message.removeprefix("policy 'small': ")
    return ""


@pytest.mark.parametrize("folder", POLICIES, ids=lambda folder: folder.name)
def test_our_policies_are_allowed(inspect: Inspect, folder: Path) -> None:
    image = compile_policy(folder, {}).image
    assert (inspect(image), judged_here(image)) == ("", "")


def test_maps_of_several_kinds_are_allowed(inspect: Inspect, compiled: Compile) -> None:
    image = compiled(SEVERAL_MAPS)
    assert (inspect(image), judged_here(image)) == ("", "")


@pytest.mark.parametrize("folder", MORE_THAN_A_POLICY, ids=lambda folder: folder.name)
def test_what_the_conformance_table_has_refused_is_refused(inspect: Inspect, folder: Path) -> None:
    image = compile_policy(folder, {}).image
    assert f"the object is refused: {inspect(image)}" == BEHAVIOURS[folder.name].refused
    assert inspect(image) in judged_here(image)


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_policy_needs_is_refused_by_name(inspect: Inspect, compiled: Compile, what: str) -> None:
    source, reason = REFUSED[what]
    image = compiled(source)
    found = inspect(image)
    assert reason in found
    assert found in judged_here(image)


@pytest.mark.parametrize(("instruction", "reason"), INSTRUCTIONS.items())
def test_an_instruction_that_no_compiler_leaves_is_refused(
    inspect: Inspect, compiled: Compile, instruction: str, reason: str
) -> None:
    assert inspect(with_instruction(compiled(MINIMAL), instruction)) == reason


@pytest.mark.parametrize("what", TRICKS)
def test_an_object_that_a_loader_could_read_otherwise_is_refused(
    inspect: Inspect, compiled: Compile, what: str
) -> None:
    change, reason = TRICKS[what]
    found = inspect(change(compiled(GOOD)))
    assert found
    assert reason in found
    if reason.startswith("not a readable BPF object: type "):
        assert judged_here(change(compiled(GOOD))) == found


STRICTER = ("symbol", "relocation", "variable", "of another type")  # what the helper alone looks at


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_what_the_controller_names_as_not_allowed_the_helper_never_allows(
    inspect: Inspect, compiled: Compile, data: st.DataObject
) -> None:
    """Each may be stricter with damage that changes nothing; neither may miss what is forbidden."""
    image = damaged(data, compiled(SEVERAL_MAPS))
    found = inspect(image)
    if judged_here(image).startswith("its object is not allowed: "):
        assert found
    if found and not found.startswith("not a readable BPF object: "):
        assert judged_here(image) or any(what in found for what in STRICTER), found


def test_the_lists_are_those_of_the_controller() -> None:
    text = (HELPER / "allowed.h").read_text()
    bodies = dict(re.findall(r"allowed_(\w+)\[\] = \{(.*?)\};", text, re.DOTALL))
    names = {name: re.findall(r'"([^"]+)"', body) for name, body in bodies.items()}
    numbers = {
        name: {int(number): what for number, what in re.findall(r"(\d+) /\* (.*?) \*/", body)}
        for name, body in bodies.items()
    }
    settings = dict(re.findall(r'\{ "(\w+)", (\d+) \}', text))
    limits = dict(re.findall(r"^#define (\w+) \(?(.+?u(?: << \d+)?)\)?(?:\s|$)", text, re.MULTILINE))
    assert all(len(listed) == len(set(listed)) for listed in names.values())
    assert {name: set(listed) for name, listed in names.items() if listed} == {
        "code": allowed.CODE,
        "data": allowed.DATA,
        "description": allowed.DESCRIPTION,
        "ops": allowed.OPS,
        "map_members": allowed.MAP_MEMBERS,
        "kfuncs": allowed.KFUNCS,
    }
    assert {name: listed for name, listed in numbers.items() if listed} == {
        "map_types": allowed.MAP_TYPES,
        "helpers": allowed.HELPERS,
    }
    assert limits == {
        "ALLOWED_OPS_FLAGS": f"{allowed.FLAGS:#x}u",
        "ALLOWED_MAP_FLAGS": f"{allowed.MAP_FLAGS:#x}u",
        "MOST_MAPS": f"{allowed.MOST_MAPS}u",
        "MOST_MEMORY": f"{allowed.MOST_MEMORY >> 20}u << 20",
        "ASSUMED_CPUS": f"{allowed.ASSUMED_CPUS}u",
        "ASSUMED_TASKS": f"{allowed.ASSUMED_TASKS}u",
    }
    assert {name: int(most) for name, most in settings.items()} == allowed.MOST_SETTINGS
    links = re.search(r"#define MOST_LINKS (\d+)", (HELPER / "inspect.h").read_text())
    assert links
    assert int(links[1]) == MOST_LINKS
