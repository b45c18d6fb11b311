# SPDX-License-Identifier: Apache-2.0
"""Sources and bytes of objects that no policy may be: both judges, here and on the host, are held to them."""

from __future__ import annotations

import io
import itertools
import re
import struct
from collections.abc import Callable
from typing import Any

from elftools.elf.elffile import ELFFile
from hypothesis import strategies as st

from fleetsched.build.btf import Kind
from tests.unit.build.conftest import MINIMAL

Compile = Callable[[str], bytes]

BODY = "{\n\tscx_bpf_dsq_insert"


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
    "a queue from userspace": (a_map("__uint(type, 31); __uint(max_entries, 4096);"), "map table of type 31"),
    "a queue to userspace that is large": (
        a_map("__uint(type, 27); __uint(max_entries, 67108864);"),
        "more than 67108864 bytes of maps and data",
    ),
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
        "more than 67108864 bytes of maps and data",
    ),
    "much memory as a variable": (
        MINIMAL + "char many[100000000];\n",
        "more than 67108864 bytes of maps and data",
    ),
    "much memory for each task": (
        a_map(
            "__uint(type, 29); __uint(map_flags, 1); __type(key, int); struct { char bytes[8192]; } *value;"
        ),
        "more than 67108864 bytes of maps and data",
    ),
    "a dump of any length": (
        MINIMAL.replace(".enqueue = ", ".exit_dump_len = 0xffffffff, .enqueue = "),
        "ops.exit_dump_len 4294967295: at most 1048576",
    ),
    "batches of any length": (
        MINIMAL.replace(".enqueue = ", ".dispatch_max_batch = 1025, .enqueue = "),
        "ops.dispatch_max_batch 1025: at most 1024",
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


INSTRUCTIONS = {
    "85 00 00 00 06 00 00 00": "BPF helper 6 in struct_ops, instruction 0",
    "85 20 00 00 4d 00 00 00": "kernel function by number 77 in struct_ops, instruction 0",
    "8d 00 00 00 00 00 00 00": "call through a register in struct_ops, instruction 0",
    "18 11 00 00 03 00 00 00": "address of kind 1, number 3, in struct_ops, instruction 0",
    "18 01 00 00 03 00 00 00 85 00 00 00 06 00 00 00": (
        "an instruction of two halves without the second in struct_ops, instruction 0"
    ),
}
"""What no compiler leaves, as the first callback begins, and why it is refused."""


def with_instruction(image: bytes, instruction: str) -> bytes:
    """Put instructions at the beginning of the first callback."""
    _, header = _find(image, "struct_ops")
    return _with(image, header["sh_offset"], bytes.fromhex(instruction))


GOOD = MINIMAL + "u64 nothing_yet[2];\n"
"""A policy with all kinds of sections."""

TRICKS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "symbols that are not where people look": (
        lambda image: _with_field(image, ".symtab", "type", 11),
        "section .symtab of another type",
    ),
    "symbols that are no table": (
        lambda image: _with_field(image, ".symtab", "type", 1),
        "section .symtab of another type",
    ),
    "callbacks that are no table": (
        lambda image: _with_field(image, ".rel.struct_ops.link", "type", 1),
        "section .rel.struct_ops.link of another type",
    ),
    "a program that is a note": (
        lambda image: _with_field(image, "struct_ops", "type", 7),
        "section struct_ops of another type",
    ),
    "callbacks of another section than the name says": (
        lambda image: _with_field(image, ".rel.struct_ops.link", "info", 1),
        "section .rel.struct_ops.link relocates another one",
    ),
    "two sections of one name": (
        lambda image: _with_field(image, "license", "name", _find(image, ".data")[1]["sh_name"]),
        "section .data is there twice",
    ),
    "a section without a name": (
        lambda image: _with_field(image, "license", "name", 0),
        "section ",
    ),
    "constants that can be written": (
        lambda image: _with_field(image, ".rodata", "flags", 3),
        "section .rodata can be written",
    ),
    "data that is a program": (
        lambda image: _with_field(image, ".data", "flags", 7),
        "section .data holds a program that is no callback of a scheduler",
    ),
    "an ops table that is cut short": (
        lambda image: _with_field(image, ".struct_ops.link", "size", 8),
        "",
    ),
    "more memory than there are numbers for": (
        lambda image: _with_field(image, ".bss", "size", 2**64 - 8),
        "",
    ),
    "a constant of a type that is itself": (
        lambda image: with_link(image, Kind.CONST, lambda number: number),
        "not a readable BPF object: type ",
    ),
    "a name for what is called so": (
        lambda image: with_link(image, Kind.TYPEDEF, lambda number: number),
        "not a readable BPF object: type ",
    ),
    "two types that are each other": (
        lambda image: with_link(image, Kind.VOLATILE, lambda number: number - 1),
        "not a readable BPF object: type ",
    ),
    "a constant of a type that is not there": (
        lambda image: with_link(image, Kind.CONST, lambda number: 1_000_000),
        "not a readable BPF object: type 1000000 leads nowhere",
    ),
    "bytes in the other order": (lambda image: _with(image, 5, b"\2"), ""),
    "a program for another machine": (lambda image: _with(image, 18, b"\x3e\0"), ""),
    "no object, but a program": (lambda image: _with(image, 16, b"\2\0"), ""),
    "no sections": (lambda image: _with(image, 60, b"\0\0"), ""),
    "nothing": (lambda image: b"", ""),
    "a header alone": (lambda image: image[:64], ""),
    "half of it": (lambda image: image[: len(image) // 2], ""),
}
"""Changes to a good object, and what the refusal says, where it says more than that it cannot be read."""

_FIELDS = {"name": (0, "<I"), "type": (4, "<I"), "flags": (8, "<Q"), "size": (32, "<Q"), "info": (44, "<I")}


# Bytes that follow the twelve of each type: so many, and so many for each item.
_TYPE_TAILS = {
    Kind.INT: (4, 0),
    Kind.ARRAY: (12, 0),
    Kind.VAR: (4, 0),
    Kind.DECL_TAG: (4, 0),
    Kind.STRUCT: (0, 12),
    Kind.UNION: (0, 12),
    Kind.ENUM: (0, 8),
    Kind.ENUM64: (0, 12),
    Kind.FUNC_PROTO: (0, 8),
    Kind.DATASEC: (0, 12),
}


def damaged(draw: st.DataObject, image: bytes) -> bytes:
    """Draw a shorter object, or one with up to eight other bytes, or both."""
    broken = bytearray(image[: draw.draw(st.integers(0, len(image)))] if draw.draw(st.booleans()) else image)
    for _ in range(draw.draw(st.integers(0, 8))):
        if broken:
            broken[draw.draw(st.integers(0, len(broken) - 1))] = draw.draw(st.integers(0, 255))
    return bytes(broken)


def _find(image: bytes, name: str) -> tuple[int, Any]:
    """Where a section's header is, and what it says."""
    elf = ELFFile(io.BytesIO(image))
    number = elf.get_section_index(name)
    return elf["e_shoff"] + number * elf["e_shentsize"], elf.get_section(number).header


def _with_field(image: bytes, section: str, field: str, value: int) -> bytes:
    offset, form = _FIELDS[field]
    return _with(image, _find(image, section)[0] + offset, struct.pack(form, value))


def with_link(image: bytes, kind: Kind, target: Callable[[int], int]) -> bytes:
    """Let the first type of this kind be the one with the number that `target` makes of its own."""
    _, header = _find(image, ".BTF")
    head, _, size, _, _ = struct.unpack_from("<IIIII", image, header["sh_offset"] + 4)
    at = start = header["sh_offset"] + head
    for number in itertools.count(1):
        assert at < start + size
        info = struct.unpack_from("<I", image, at + 4)[0]
        found = Kind(info >> 24 & 0x1F)
        if found is kind:
            return _with(image, at + 8, struct.pack("<I", target(number)))
        fixed, item = _TYPE_TAILS.get(found, (0, 0))
        at += 12 + fixed + item * (info & 0xFFFF)
    raise AssertionError


def _with(image: bytes, at: int, change: bytes) -> bytes:
    return image[:at] + change + image[at + len(change) :]
