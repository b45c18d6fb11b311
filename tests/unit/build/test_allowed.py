# SPDX-License-Identifier: Apache-2.0
"""What is refused before any kernel sees it, from real compilers' objects of hostile sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetsched.build import allowed
from fleetsched.build.allowed import check_allowed
from fleetsched.build.include import include_folder
from fleetsched.build.policy import compile_policy
from fleetsched.errors import BuildError
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

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile a source; every test of this module shares the cache."""
    folder = tmp_path_factory.mktemp("policies")

    def compiled(source: str) -> bytes:
        (folder / "small").mkdir(exist_ok=True)
        (folder / "small" / "small.bpf.c").write_text(source)
        return compile_policy(folder / "small", {}, cache=folder / "cache").image

    return compiled


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_policy_needs_is_refused(compiled: Compile, what: str) -> None:
    source, reason = REFUSED[what]
    with pytest.raises(BuildError) as caught:
        check_allowed(compiled(source), "small")
    assert caught.value.message.startswith("policy 'small': its object is not allowed: ")
    assert reason in caught.value.message


@pytest.mark.parametrize(("instruction", "reason"), INSTRUCTIONS.items())
def test_an_instruction_that_no_compiler_leaves_is_refused(
    compiled: Compile, instruction: str, reason: str
) -> None:
    with pytest.raises(BuildError) as caught:
        check_allowed(with_instruction(compiled(MINIMAL), instruction), "small")
    assert caught.value.message == f"policy 'small': its object is not allowed: {reason}"


@pytest.mark.parametrize("what", TRICKS)
def test_an_object_that_a_loader_could_read_otherwise_is_refused(compiled: Compile, what: str) -> None:
    change, reason = TRICKS[what]
    with pytest.raises(BuildError) as caught:
        check_allowed(change(compiled(GOOD)), "small")
    assert reason in caught.value.message


def test_everything_is_named_at_once(compiled: Compile) -> None:
    source = a_map(f"{ARRAY} __type(value, u64); __uint(pinning, 1);") + 'SEC("xdp") int hidden = 1;\n'
    with pytest.raises(BuildError) as caught:
        check_allowed(compiled(source), "small")
    assert str(caught.value) == (
        "policy 'small': its object is not allowed: section xdp; map table is pinned\n"
        "  a policy reaches the kernel only through the headers: see docs/writing-a-policy.md"
    )


@pytest.mark.parametrize(
    "folder",
    [
        PROJECT / "policies" / "fair",
        PROJECT / "policies" / "interactive",
        PROJECT / "policies" / "throughput",
    ],
)
def test_the_catalogue_is_allowed(folder: Path) -> None:
    assert check_allowed(compile_policy(folder, {}).image, folder.name).ops_name == folder.name


def test_the_lists_are_what_the_headers_declare() -> None:
    headers = include_folder() / "fleetsched"
    text = {name: (headers / f"{name}.bpf.h").read_text() for name in ("bpf", "kfuncs", "types")}
    helpers = re.findall(r"\(\*const (\w+)\)\([^=]*= \(void \*\)(\d+);", text["bpf"])
    assert {int(number): name for name, number in helpers} == allowed.HELPERS
    assert {int(number) for number in re.findall(r"BPF_MAP_TYPE_\w+ = (\d+)", text["bpf"])} == set(
        allowed.MAP_TYPES
    )
    externs = re.findall(r"^extern [^(]*?(\w+)\(", text["kfuncs"], re.MULTILINE)
    assert {name.rpartition("___")[0] or name for name in externs} == allowed.KFUNCS
    table = text["types"].split("struct sched_ext_ops {")[1]
    members = re.findall(r"\(\*(\w+)\)|(\w+)(?:\[\d+\])?;", table)
    assert {callback or plain for callback, plain in members if callback or plain} == allowed.OPS


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damaged_objects_are_refused_and_break_nothing(compiled: Compile, data: st.DataObject) -> None:
    image = compiled(a_map(f"{ARRAY} __type(value, u64[4]); __uint(max_entries, 2);"))
    try:
        check_allowed(damaged(data, image), "small")
    except BuildError as error:
        assert error.message  # noqa: PT017
