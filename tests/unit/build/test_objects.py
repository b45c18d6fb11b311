# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetsched.build.declared import Declared, check_object
from fleetsched.build.objects import Constant, ObjectInfo, inspect_object
from fleetsched.build.policy import compile_policy
from fleetsched.build.strip import strip_debug
from fleetsched.errors import BuildError
from tests.unit.build.conftest import MINIMAL, MakePolicy
from tests.unit.build.hostile import damaged

CONSTANTS = """\
const volatile bool fifo = true;
const volatile u8 small_number = 255;
const volatile s32 below_zero = -7;
const volatile u16 nothing;
const volatile u64 table[2] = {1, 2};
static const volatile u32 kept = 9;
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("policies") / "small"
    folder.mkdir()
    (folder / "small.bpf.c").write_text(MINIMAL)
    return compile_policy(folder, {}, cache=folder.parent / "cache").image


def inspected(make_policy: MakePolicy, cache: Path, source: str) -> ObjectInfo:
    return inspect_object(compile_policy(make_policy(source), {}, cache=cache).image)


def test_an_object_says_what_it_is(image: bytes) -> None:
    assert inspect_object(image) == ObjectInfo(
        ops_name="small",
        timeout_ms=5000,
        programs=("small_enqueue", "small_exit"),
        maps={"uei_ring": 27},
        rodata={"slice_us": Constant("u64", 8, 5000)},
        license="GPL",
        symbols=("scx_bpf_dsq_insert___v2___6_19", "scx_bpf_dsq_insert___6_13", "scx_bpf_dispatch___6_12"),
        records_exit=True,
    )


def test_constants_have_types_sizes_and_values(make_policy: MakePolicy, cache: Path) -> None:
    uses = "\t(void)(fifo + small_number + below_zero + nothing + table[1] + kept);\n"
    source = MINIMAL.replace("{\n\tscx", "{\n" + uses + "\tscx", 1).replace("const", CONSTANTS + "const", 1)
    rodata = dict(inspected(make_policy, cache, source).rodata)
    assert rodata == {
        "slice_us": Constant("u64", 8, 5000),
        "fifo": Constant("bool", 1, 1),
        "small_number": Constant("u8", 1, 255),
        "below_zero": Constant("s32", 4, -7),
        "nothing": Constant("u16", 2, 0),
        "table": Constant("", 16, None),
        "kept": Constant("u32", 4, 9),
    }


def test_maps_have_their_types(make_policy: MakePolicy, cache: Path) -> None:
    table = "struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, u32);"
    source = MINIMAL + f'{table} __type(value, u64); }} table SEC(".maps");\n'
    assert inspected(make_policy, cache, source).maps == {"uei_ring": 27, "table": 1}


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (
            'SEC("kprobe/do_exit") int probe(void *ctx) { return 0; }\n',
            "section kprobe/do_exit holds a program that is no callback of a scheduler",
        ),
        (
            "struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(pinning, 1); __type(key, u32);"
            ' __type(value, u64); } table SEC(".maps");\n',
            "map table is pinned, which no policy may do",
        ),
        (
            'SEC(".struct_ops.link") struct sched_ext_ops other_ops = {.name = "other"};\n',
            "expected one struct sched_ext_ops, found 2 tables",
        ),
        (
            'struct tcp_ops { int x; };\nSEC(".struct_ops") struct tcp_ops tcp = {.x = 1};\n',
            "expected one struct sched_ext_ops, found 2 tables",
        ),
    ],
)
def test_what_no_policy_may_contain_is_refused(
    make_policy: MakePolicy, cache: Path, extra: str, problem: str
) -> None:
    with pytest.raises(BuildError) as caught:
        inspected(make_policy, cache, MINIMAL + extra)
    assert caught.value.message == problem


def test_an_object_without_an_ops_table_is_refused(make_policy: MakePolicy, cache: Path) -> None:
    with pytest.raises(BuildError, match=r"^expected one struct sched_ext_ops, found 0 tables$"):
        inspected(make_policy, cache, "#include <fleetsched/policy.bpf.h>\nUEI_DEFINE(uei);\n")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_objects_are_refused_and_break_nothing(image: bytes, data: st.DataObject) -> None:
    broken = damaged(data, image)
    for read in (inspect_object, strip_debug):
        try:
            read(broken)
        except BuildError as error:
            assert error.message  # noqa: PT017


def test_stripping_twice_changes_nothing(image: bytes) -> None:
    assert strip_debug(image) == image
    assert b".debug_" not in image


DECLARED = Declared({"slice_us": ("u64", 5000)}, 5000)


def test_an_object_that_is_as_declared_is_accepted(image: bytes) -> None:
    check_object(inspect_object(image), "small", DECLARED)


@pytest.mark.parametrize(
    ("policy", "declared", "difference"),
    [
        ("sm-all", DECLARED, "its ops table is named 'small', expected 'sm_all'"),
        ("small", Declared({}, 4000), "its timeout_ms is 5000, policy.yaml says 4000 (`timeout`)"),
        (
            "small",
            Declared({"slice": ("u64", 1)}, 5000),
            "parameter slice is no `const volatile` variable of the source",
        ),
        (
            "small",
            Declared({"slice_us": ("u32", 5000)}, 5000),
            "parameter slice_us is u64 in the source, u32 in policy.yaml",
        ),
        (
            "small",
            Declared({"slice_us": ("u64", 3000)}, 5000),
            "parameter slice_us starts as 5000 in the source, policy.yaml says 3000",
        ),
    ],
)
def test_differences_from_the_manifest_are_named(
    image: bytes, policy: str, declared: Declared, difference: str
) -> None:
    with pytest.raises(BuildError) as caught:
        check_object(inspect_object(image), policy, declared)
    assert caught.value.message == f"policy {policy!r}: {difference}"


RECORD = "\tUEI_RECORD(uei, info);\n"


@pytest.mark.parametrize(
    "taken_out",
    [("UEI_DEFINE(uei);", RECORD), (RECORD,), (", .exit = (void *)small_exit",)],
    ids=["neither declared nor written", "declared, never written", "no ops.exit to write it"],
)
def test_an_object_without_an_exit_record_is_named(
    make_policy: MakePolicy, cache: Path, taken_out: tuple[str, ...]
) -> None:
    source = MINIMAL
    for each in taken_out:
        assert each in source
        source = source.replace(each, "")
    with pytest.raises(BuildError) as caught:
        check_object(inspected(make_policy, cache, source), "small", DECLARED)
    assert caught.value.message == (
        "policy 'small': it has no exit record: UEI_DEFINE(uei) or UEI_RECORD in ops.exit is missing"
    )


def test_a_policy_may_have_its_own_time_out(make_policy: MakePolicy, cache: Path) -> None:
    source = MINIMAL.replace(".enqueue = ", ".timeout_ms = 4000, .enqueue = ")
    assert inspected(make_policy, cache, source).timeout_ms == 4000
    assert compile_policy(make_policy(source), {}, cache=cache).diagnostics == ()
