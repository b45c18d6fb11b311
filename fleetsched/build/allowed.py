# SPDX-License-Identifier: Apache-2.0
"""What a policy's object may contain, judged before any kernel sees it.

The lists hold what bpf/include/fleetsched declares and nothing else; a test compares the two. The kernel's
verifier checks what programs do with it; these lists say which of the kernel they can reach at all. The
helper on a host judges by the same lists (bpf/helper/allowed.h); tests compare the lists and the verdicts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from fleetsched.build.btf import Btf, Kind, Type
from fleetsched.build.objects import UNREADABLE, ObjectInfo, inspect_object, plain_data
from fleetsched.errors import Fault, ObjectError
from fleetsched.model.wording import printable

CODE = frozenset({".text", "struct_ops", "struct_ops.s"})
"""Sections of instructions: callbacks, those that may sleep, and functions that they call."""

DATA = frozenset({".rodata", ".data", ".bss", "license", ".struct_ops.link", ".maps"})
"""Sections that libbpf turns into maps, declarations or the ops table."""

DESCRIPTION = frozenset({".strtab", ".shstrtab", ".symtab", ".BTF", ".BTF.ext"})
"""Sections that only describe the others; relocations (.rel and the name of a section) are allowed, too, and
the section without a name that every file begins with."""

OPS = frozenset(
    """
    select_cpu enqueue dequeue dispatch tick runnable running stopping quiescent yield set_weight
    set_cpumask update_idle init_task exit_task enable disable cpu_online cpu_offline init exit
    dispatch_max_batch flags timeout_ms exit_dump_len hotplug_seq name
    """.split()  # noqa: SIM905 - words are easier to read
)
"""Members of the ops table. Not `sub_attach`: with it the kernel lease ends nothing on Linux 7.1 or later."""

FLAGS = 0b1110111
"""Bits of `ops.flags` (enum scx_ops_flags, Linux 6.12 to 7.3). Not SCX_OPS_SWITCH_PARTIAL (bit 3): the
fair class ranks above, so the tasks that are moved get only what it leaves over."""

MAP_TYPES = {1: "hash", 2: "array", 6: "percpu array", 27: "ring buffer", 29: "task storage"}
"""By number (enum bpf_map_type). None leads to sockets or to other programs. A ring buffer leads to whoever
loaded the policy, and is there to say that it ended."""

HELPERS = {
    1: "bpf_map_lookup_elem",
    2: "bpf_map_update_elem",
    3: "bpf_map_delete_elem",
    5: "bpf_ktime_get_ns",
    8: "bpf_get_smp_processor_id",
    113: "bpf_probe_read_kernel",
    115: "bpf_probe_read_kernel_str",
    130: "bpf_ringbuf_output",
    156: "bpf_task_storage_get",
    165: "bpf_snprintf",
    195: "bpf_map_lookup_percpu_elem",
}
"""By number (enum bpf_func_id): own maps, the time, the CPU, and what the exit record needs. None writes to a
process's memory, sends signals, or calls another program."""

KFUNCS = frozenset(
    """
    scx_bpf_create_dsq scx_bpf_dsq_nr_queued scx_bpf_select_cpu_dfl scx_bpf_test_and_clear_cpu_idle
    scx_bpf_pick_idle_cpu scx_bpf_task_cpu scx_bpf_nr_cpu_ids scx_bpf_error_bstr scx_bpf_exit_bstr
    scx_bpf_get_online_cpumask scx_bpf_put_cpumask bpf_cpumask_test_cpu
    scx_bpf_dispatch scx_bpf_dsq_insert scx_bpf_dsq_insert___v2
    scx_bpf_dispatch_vtime scx_bpf_dsq_insert_vtime __scx_bpf_dsq_insert_vtime
    scx_bpf_consume scx_bpf_dsq_move_to_local scx_bpf_dsq_move_to_local___v2
    scx_bpf_task_set_dsq_vtime scx_bpf_kick_cpu scx_bpf_dispatch_from_dsq scx_bpf_dsq_move
    bpf_iter_scx_dsq_new bpf_iter_scx_dsq_next bpf_iter_scx_dsq_destroy
    """.split()  # noqa: SIM905 - words are easier to read
)
"""Kernel functions by the kernel's names: queues, idle CPUs, kicks, and ending oneself."""

MAP_MEMBERS = frozenset({"type", "max_entries", "map_flags", "key", "value"})
"""Members of a map's declaration."""

MAP_FLAGS = 0b1
"""Bits of a map's flags: BPF_F_NO_PREALLOC."""

MOST_MAPS = 64
"""Declared maps of one object: each is a file descriptor of the host's helper, at the least."""

ASSUMED_CPUS = 128
"""CPUs of a host, for the memory of maps of which each CPU has its own."""

ASSUMED_TASKS = 10_000
"""Tasks of a host, for the memory of maps of which each task has its own."""

MOST_SETTINGS = {"dispatch_max_batch": 1024, "exit_dump_len": 1 << 20}
"""Numbers in the ops table for which the kernel takes memory at the attach: entries for each CPU, and bytes.
Its own are 32 and 32768."""

MOST_MEMORY = 64 << 20
"""Bytes of all maps and data of one object. A host has one object; a published leak reached 34 GB."""

_INSTRUCTION = 8
_CALL, _CALL_REGISTER, _LOAD_IMMEDIATE = 0x85, 0x8D, 0x18
_HELPER, _FUNCTION = 0, 1  # what a call's source register says it calls
_EXECUTABLE, _WRITABLE, _ALLOCATED = 0x4, 0x1, 0x2
_MOST_DIMENSIONS = 16
_FLAVOURED = re.compile(r"(.*[^_])___[^_].*", re.DOTALL)
_OTHER_TYPES = {
    "": "SHT_NULL",
    ".bss": "SHT_NOBITS",
    ".symtab": "SHT_SYMTAB",
    ".strtab": "SHT_STRTAB",
    ".shstrtab": "SHT_STRTAB",
}


def check_allowed(image: bytes, policy: str) -> ObjectInfo:
    """Refuse an object with anything that no policy needs.

    Args:
        image: the object's bytes, hostile or damaged.
        policy: its name, for messages.

    Raises:
        ObjectError: naming everything that is not allowed, or what cannot be read.
    """
    try:
        found = list(dict.fromkeys(_violations(ELFFile(io.BytesIO(image)))))
    except (ELFError, ValueError, KeyError, IndexError, UnicodeDecodeError, OverflowError) as error:
        fault = Fault(UNREADABLE, f"not a readable BPF object: {error}")
        raise ObjectError(f"policy {policy!r}: ", fault) from error
    if found:
        raise ObjectError(
            f"policy {policy!r}: its object is not allowed: ",
            *found,
            remedy="a policy reaches the kernel only through the headers: see docs/writing-a-policy.md",
        )
    return inspect_object(image)


def _violations(elf: Any) -> Iterator[Fault]:
    sections = list(elf.iter_sections())
    names = [section.name for section in sections]
    if (elf["e_type"], elf["e_machine"], elf.little_endian) != ("ET_REL", "EM_BPF", True):
        raise ValueError("its header is not that of an object for BPF, little endian")
    for section in sections:
        yield from _section(section, names)
    for section in sections:
        if section["sh_flags"] & _EXECUTABLE and section["sh_type"] == "SHT_PROGBITS":
            yield from _instructions(section.name, plain_data(section))
    table = elf.get_section_by_name(".symtab")
    for symbol in table.iter_symbols() if isinstance(table, SymbolTableSection) else ():
        if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name and _kernel_name(symbol.name) not in KFUNCS:
            yield Fault("forbidden-kfunc", f"kernel function or variable {_shown(symbol.name)}")
    types = elf.get_section_by_name(".BTF")
    if types is None:
        raise ValueError("no type information")
    btf = Btf(plain_data(types))
    btf.check_links()  # the loader follows them for as long as there are any
    yield from _ops(btf, elf)
    yield from _memory(btf, sections)


def _section(section: Any, names: list[str]) -> Iterator[Fault]:
    name, flags = section.name, section["sh_flags"]
    relocates = name.startswith(".rel") and name[4:] in CODE | DATA
    if name and names.count(name) > 1:
        yield Fault("forbidden-section", f"section {_shown(name)} is there twice")
    if flags & _EXECUTABLE:
        if name not in CODE:
            yield Fault(
                "forbidden-program",
                f"section {_shown(name)} holds a program that is no callback of a scheduler",
            )
    elif flags & _ALLOCATED:
        if name not in DATA:
            yield Fault("forbidden-section", f"section {_shown(name)}")
        elif name == ".rodata" and flags & _WRITABLE:
            yield Fault("forbidden-section", "section .rodata can be written")
    elif not relocates and name not in DESCRIPTION | {""}:
        yield Fault("forbidden-section", f"section {_shown(name)}")
    if section["sh_type"] != ("SHT_REL" if relocates else _OTHER_TYPES.get(name, "SHT_PROGBITS")):
        yield Fault("forbidden-section", f"section {_shown(name)} of another type")
    elif relocates and (section["sh_info"] >= len(names) or names[section["sh_info"]] != name[4:]):
        # The loader goes by the numbers of sections, people and this file by their names.
        yield Fault("forbidden-section", f"section {_shown(name)} relocates another one")


def _instructions(section: str, code: bytes) -> Iterator[Fault]:
    """Judge every call and every load of an address.

    In an object as the compiler leaves it, maps and functions are named by relocations. A source register
    that says otherwise would name a file descriptor, a type or a function of whoever loads the object.
    """
    if len(code) % _INSTRUCTION:
        raise ValueError(f"section {section} ends within an instruction")
    at = 0
    while at < len(code):
        opcode, source = code[at], code[at + 1] >> 4
        immediate = int.from_bytes(code[at + 4 : at + 8], "little", signed=True)
        where = f"in {section}, instruction {at // _INSTRUCTION}"
        if opcode == _CALL_REGISTER:
            yield Fault("forbidden-object", f"call through a register {where}")
        elif opcode == _CALL and source == _HELPER and immediate not in HELPERS:
            yield Fault("forbidden-helper", f"BPF helper {immediate} {where}")
        elif opcode == _CALL and source not in (_HELPER, _FUNCTION):
            yield Fault("forbidden-kfunc", f"kernel function by number {immediate} {where}")
        elif opcode == _LOAD_IMMEDIATE and source:
            yield Fault("forbidden-object", f"address of kind {source}, number {immediate}, {where}")
        elif opcode == _LOAD_IMMEDIATE and code[at + _INSTRUCTION :][:4] != bytes(4):
            # A program may begin in the middle of this one: its second half must be no instruction.
            yield Fault("forbidden-object", f"an instruction of two halves without the second {where}")
        at += 2 * _INSTRUCTION if opcode == _LOAD_IMMEDIATE else _INSTRUCTION


def _kernel_name(symbol: str) -> str:
    """The name that libbpf looks for: without what follows the last `___`, which tells declarations apart."""
    flavoured = _FLAVOURED.fullmatch(symbol)
    return flavoured[1] if flavoured else symbol


def _ops(btf: Btf, elf: Any) -> Iterator[Fault]:
    section = elf.get_section_by_name(".struct_ops.link")
    variables = btf.variables(".struct_ops.link")
    if section is None or len(variables) != 1:
        return  # inspect_object says so
    (number,) = variables.values()
    table, data = btf.resolve(number), plain_data(section)
    if len(data) != table.size:
        yield Fault("forbidden-object", "an ops table that is not all of its section")
    relocations = elf.get_section_by_name(".rel.struct_ops.link")
    entries = relocations.iter_relocations() if isinstance(relocations, RelocationSection) else ()
    pointed = {entry["r_offset"] for entry in entries}
    ends = [*sorted(item.value for item in table.items)[1:], len(data)]
    for item, end in zip(sorted(table.items, key=lambda item: item.value), ends, strict=False):
        used = item.value in pointed or any(data[item.value : end])
        if used and item.name not in OPS:
            yield Fault("forbidden-callback", f"member {_shown(item.name)} of the ops table")
        if (
            item.name == "flags"
            and (value := int.from_bytes(data[item.value : item.value + 8], "little")) & ~FLAGS
        ):
            yield Fault("forbidden-flags", f"ops.flags {value:#x}: only the bits of {FLAGS:#x} may be set")
        most = MOST_SETTINGS.get(item.name)
        if most and (value := int.from_bytes(data[item.value : item.value + 4], "little")) > most:
            yield Fault("too-much-memory", f"ops.{item.name} {value}: at most {most}")


def _memory(btf: Btf, sections: list[Any]) -> Iterator[Fault]:
    total = sum(section["sh_size"] for section in sections if section.name in DATA)
    declarations = btf.variables(".maps")
    if len(declarations) > MOST_MAPS:
        yield Fault("too-much-memory", f"more maps than {MOST_MAPS}")
    for name, number in declarations.items():
        declared = btf.resolve(number)
        members = {item.name: btf.resolve(item.type) for item in declared.items}
        kind = _number(btf, members.get("type"))
        if kind not in MAP_TYPES:
            yield Fault("forbidden-map", f"map {_shown(name)} of type {kind}")
            continue
        if "pinning" in members:
            yield Fault("pinned-map", f"map {_shown(name)} is pinned")
        unknown = members.keys() - MAP_MEMBERS - {"pinning"}
        yield from (
            Fault("forbidden-map", f"member {_shown(each)} of map {_shown(name)}") for each in sorted(unknown)
        )
        if (flags := _number(btf, members.get("map_flags"))) & ~MAP_FLAGS:
            yield Fault("forbidden-map", f"map_flags {flags:#x} of map {_shown(name)}")
        entries = max(_number(btf, members.get("max_entries")), 1)
        copies = {"percpu array": ASSUMED_CPUS, "task storage": ASSUMED_TASKS}.get(MAP_TYPES[kind], 1)
        each = sum(_size(btf, members.get(part)) for part in ("key", "value"))
        total += entries * copies * (1 if MAP_TYPES[kind] == "ring buffer" else each)
    if total > MOST_MEMORY:
        yield Fault("too-much-memory", f"more than {MOST_MEMORY} bytes of maps and data")


def _number(btf: Btf, member: Type | None) -> int:
    """A number in a map's declaration: the length of the array that the member points to."""
    return btf.resolve(member.type).number if member is not None else 0


def _size(btf: Btf, member: Type | None) -> int:
    return _bytes(btf, member.type) if member is not None else 0


def _bytes(btf: Btf, number: int) -> int:
    """The size of a type in bytes."""
    count = 1
    for _ in range(_MOST_DIMENSIONS):
        found = btf.resolve(number)
        if found.kind is not Kind.ARRAY:
            return count * (8 if found.kind is Kind.PTR else found.size)
        count, number = count * found.number, found.type
    raise ValueError(f"type {number} is an array of arrays without end")


def _shown(name: str) -> str:
    """A name from the object for a message: short and printable."""
    return printable(name[:80], keep="")
