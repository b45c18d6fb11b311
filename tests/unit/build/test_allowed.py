# SPDX-License-Identifier: Apache-2.0
"""What is refused before any kernel sees it, from real compilers' objects of hostile sources."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetsched.build import allowed
from fleetsched.build.allowed import check_allowed
from fleetsched.build.include import include_folder
from fleetsched.build.policy import compile_policy
from fleetsched.errors import BuildError
from tests.unit.build.conftest import MINIMAL

PROJECT = Path(__file__).resolve().parents[3]
BODY = "{\n\tscx_bpf_dsq_insert"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Compile a source; every test of this module shares the cache."""
    folder = tmp_path_factory.mktemp("policies")

    def compiled(source: str) -> bytes:
        (folder / "small").mkdir(exist_ok=True)
        (folder / "small" / "small.bpf.c").write_text(source)
        return compile_policy(folder / "small", {}, cache=folder / "cache").image

    return compiled


def in_enqueue(statement: str, before: str = "") -> str:
    return MINIMAL.replace("void BPF_STRUCT_OPS", before + "void BPF_STRUCT_OPS", 1).replace(
        BODY, BODY.replace("{\n", "{\n\t" + statement + "\n", 1), 1
    )


def a_map(declaration: str) -> str:
    return MINIMAL + f'struct {{ {declaration} }} table SEC(".maps");\n'


ARRAY = "__uint(type, BPF_MAP_TYPE_ARRAY); __type(key, u32);"
EXTERN = "extern int {0}(void) __ksym;\n"
HELPER = "static long (*const helper)(void *, void *, u32) = (void *){0};\n"

REFUSED = {
    "a helper that writes to userspace": (
        in_enqueue("helper((void *)1, &enq_flags, 8);", HELPER.format(36)),
        "BPF helper 36 in struct_ops, instruction",
    ),
    "a helper that sends signals": (
        in_enqueue("helper((void *)9, 0, 0);", HELPER.format(109)),
        "BPF helper 109 in struct_ops, instruction",
    ),
    "a helper in a function": (
        in_enqueue(
            "inner();", HELPER.format(36) + "static __noinline int inner(void) { return helper(0, 0, 0); }\n"
        ),
        "BPF helper 36 in .text, instruction",
    ),
    "a tail call": (
        in_enqueue("helper(0, 0, 0);", HELPER.format(12)),
        "BPF helper 12 in struct_ops, instruction",
    ),
    "a kernel function": (
        in_enqueue("bpf_throw_it();", EXTERN.format("bpf_throw_it")),
        "kernel function or variable bpf_throw_it",
    ),
    "a kernel function with a known beginning": (
        in_enqueue("scx_bpf_kick_cpu___x___y();", EXTERN.format("scx_bpf_kick_cpu___x___y")),
        "kernel function or variable scx_bpf_kick_cpu___x___y",
    ),
    "a program of another kind": (
        MINIMAL + 'SEC("kprobe/do_exit") int probe(void *ctx) { return 0; }\n',
        "section kprobe/do_exit holds a program that is no callback of a scheduler",
    ),
    "a program that is data": (
        MINIMAL + 'SEC("xdp") int hidden = 1;\n',
        "section xdp",
    ),
    "a queue to userspace": (a_map("__uint(type, 27); __uint(max_entries, 4096);"), "map table of type 27"),
    "a table of programs": (
        a_map(f"{ARRAY.replace('BPF_MAP_TYPE_ARRAY', '3')} __type(value, u32);"),
        "map table of type 3",
    ),
    "a pinned map": (a_map(f"{ARRAY} __type(value, u64); __uint(pinning, 1);"), "map table is pinned"),
    "a map of maps": (
        a_map(f"{ARRAY} __type(value, u64); __uint(inner_map_idx, 1);"),
        "member inner_map_idx of map table",
    ),
    "much memory": (
        a_map(f"{ARRAY} __type(value, u64); __uint(max_entries, 100000000);"),
        "bytes; 67,108,864 are the most",
    ),
    "much memory as a variable": (
        MINIMAL + "char many[100000000];\n",
        "bytes; 67,108,864 are the most",
    ),
    "a flag that moves only some tasks": (
        MINIMAL.replace(".enqueue = ", ".flags = 8, .enqueue = "),
        "ops.flags 0x8: only the bits of 0x77 may be set",
    ),
    "schedulers of cgroups": (
        re.sub(
            r"FLEETSCHED_OPS_DEFINE.*",
            'char _license[] SEC("license") = "GPL";\n'
            "struct sched_ext_ops___own { void *enqueue; void *exit; void *sub_attach; char name[8]; };\n"
            "#define sched_ext_ops sched_ext_ops_\n"
            'SEC(".struct_ops.link") struct sched_ext_ops___own small_ops = {'
            '.enqueue = (void *)small_enqueue, .sub_attach = (void *)small_exit, .name = "small"};',
            MINIMAL,
        ),
        "member sub_attach of the ops table",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_policy_needs_is_refused(compiled: Callable[[str], bytes], what: str) -> None:
    source, reason = REFUSED[what]
    with pytest.raises(BuildError) as caught:
        check_allowed(compiled(source), "small")
    assert caught.value.message.startswith("policy 'small': its object is not allowed: ")
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("instruction", "reason"),
    [
        ("85 00 00 00 06 00 00 00", "BPF helper 6 in struct_ops, instruction 0"),
        ("85 20 00 00 4d 00 00 00", "kernel function by number 77 in struct_ops, instruction 0"),
        ("8d 00 00 00 00 00 00 00", "call through a register in struct_ops, instruction 0"),
        ("18 11 00 00 03 00 00 00", "address of kind 1, number 3, in struct_ops, instruction 0"),
    ],
)
def test_an_instruction_that_no_compiler_leaves_is_refused(
    compiled: Callable[[str], bytes], instruction: str, reason: str
) -> None:
    image = bytearray(compiled(MINIMAL))
    at = ELFFile(io.BytesIO(image)).get_section_by_name("struct_ops")["sh_offset"]
    image[at : at + 8] = bytes.fromhex(instruction)
    with pytest.raises(BuildError) as caught:
        check_allowed(bytes(image), "small")
    assert caught.value.message == f"policy 'small': its object is not allowed: {reason}"


def test_everything_is_named_at_once(compiled: Callable[[str], bytes]) -> None:
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
def test_damaged_objects_are_refused_and_break_nothing(
    compiled: Callable[[str], bytes], data: st.DataObject
) -> None:
    image = compiled(a_map(f"{ARRAY} __type(value, u64[4]); __uint(max_entries, 2);"))
    broken = bytearray(image[: data.draw(st.integers(0, len(image)))] if data.draw(st.booleans()) else image)
    for _ in range(data.draw(st.integers(0, 8))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_allowed(bytes(broken), "small")
    except BuildError as error:
        assert error.message  # noqa: PT017
