# SPDX-License-Identifier: Apache-2.0
"""What an object says about itself, and what no policy may contain."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from fleetsched.build.btf import Btf, Kind
from fleetsched.errors import Fault, ObjectError

UNREADABLE = "unreadable-object"
"""Code of the fault when an object is damaged, or none."""

_EXECUTABLE = 0x4
_COMPRESSED = 0x800
_OPS_SECTIONS = (".struct_ops.link", ".struct_ops")
_OPS_TYPE = "sched_ext_ops"
_CODE = ("struct_ops", "struct_ops.s")
_SUBPROGRAMS = ".text"
_EXIT_RECORD = frozenset({"uei", "uei_ring"})
"""What UEI_DEFINE(uei) defines: the record, and the ring that wakes who waits for it."""


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant of .rodata.

    Attributes:
        type: its name in the source, such as `u64`.
        size: bytes.
        value: what the compiler put there; None when it is no integer.
    """

    type: str
    size: int
    value: int | None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What an object says about itself.

    Attributes:
        ops_name: the name that the kernel will show.
        timeout_ms: the watchdog's limit in milliseconds; 0 = the kernel's own.
        programs: names of the callbacks, in the object's order.
        maps: type numbers (`enum bpf_map_type`) by name.
        rodata: the constants that a loader may set, by name.
        symbols: what the object wants of the kernel: names of kfuncs and variables, with their flavours.
        records_exit: there is a `uei` in .data, and ops.exit has to do with it and its ring.
    """

    ops_name: str
    timeout_ms: int
    programs: tuple[str, ...]
    maps: Mapping[str, int] = field(hash=False)
    rodata: Mapping[str, Constant] = field(hash=False)
    license: str
    symbols: tuple[str, ...]
    records_exit: bool


def inspect_object(image: bytes) -> ObjectInfo:
    """Read an object without trusting it.

    Raises:
        ObjectError: it is damaged, has a program that is no callback of a scheduler, pins a map, or has not
            exactly one `struct sched_ext_ops`.
    """
    try:
        return _inspect(ELFFile(io.BytesIO(image)))
    except (ELFError, ValueError, KeyError, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise ObjectError("", Fault(UNREADABLE, f"not a readable BPF object: {error}")) from error


def _inspect(elf: Any) -> ObjectInfo:
    sections = {section.name: section for section in elf.iter_sections()}
    if elf["e_machine"] != "EM_BPF" or ".BTF" not in sections:
        raise ObjectError("", Fault(UNREADABLE, "not a BPF object with type information"))
    btf = Btf(plain_data(sections[".BTF"]))
    ops_name, timeout_ms = _ops(btf, sections)
    return ObjectInfo(
        ops_name=ops_name,
        timeout_ms=timeout_ms,
        programs=_programs(elf, sections),
        maps=_maps(btf),
        rodata=_constants(btf, sections),
        license=_text(plain_data(sections["license"])) if "license" in sections else "",
        symbols=tuple(
            symbol.name
            for symbol in sections[".symtab"].iter_symbols()
            if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name
        ),
        records_exit="uei" in btf.variables(".data") and _used_by_exit(btf, elf, sections) >= _EXIT_RECORD,
    )


def _programs(elf: Any, sections: Mapping[str, Any]) -> tuple[str, ...]:
    for name, section in sections.items():
        code = section["sh_flags"] & _EXECUTABLE and section["sh_size"]
        if code and name != _SUBPROGRAMS and not _holds_callbacks(name):
            message = f"section {name} holds a program that is no callback of a scheduler"
            raise ObjectError("", Fault("forbidden-program", message))
    return tuple(
        symbol.name
        for symbol in sections[".symtab"].iter_symbols()
        if symbol["st_info"]["type"] == "STT_FUNC"
        and isinstance(symbol["st_shndx"], int)
        and _holds_callbacks(elf.get_section(symbol["st_shndx"]).name)
    )


def _holds_callbacks(section: str) -> bool:
    return section.split("/")[0] in _CODE


def _ops(btf: Btf, sections: Mapping[str, Any]) -> tuple[str, int]:
    """Name and time-out of the one ops table."""
    tables = [
        (plain_data(sections[name]), number)
        for name in _OPS_SECTIONS
        for number in btf.variables(name).values()
    ]
    if len(tables) != 1:
        message = f"expected one struct {_OPS_TYPE}, found {len(tables)} tables"
        raise ObjectError("", Fault("not-one-scheduler", message))
    data, number = tables[0]
    table = btf.resolve(number)
    if table.name != _OPS_TYPE:
        message = f"expected a struct {_OPS_TYPE}, found struct {table.name}"
        raise ObjectError("", Fault("not-one-scheduler", message))
    name, timeout = table.item("name"), table.item("timeout_ms")
    at = 0  # the only variable of its section
    return (
        _text(data[at + name.value : at + name.value + 128]) if name else "",
        int.from_bytes(data[at + timeout.value : at + timeout.value + 4], "little") if timeout else 0,
    )


def _used_by_exit(btf: Btf, elf: Any, sections: Mapping[str, Any]) -> frozenset[str]:
    """The names of what the callback in ops.exit refers to."""
    for number in btf.variables(_OPS_SECTIONS[0]).values():
        member = btf.resolve(number).item("exit")
        for at, callback in _relocations(sections, _OPS_SECTIONS[0]):
            if member and at == member.value and isinstance(callback["st_shndx"], int):
                start, end = callback["st_value"], callback["st_value"] + callback["st_size"]
                code = elf.get_section(callback["st_shndx"]).name
                return frozenset(used.name for at, used in _relocations(sections, code) if start <= at < end)
    return frozenset()


def _relocations(sections: Mapping[str, Any], name: str) -> Iterator[tuple[int, Any]]:
    """Where a section refers to symbols, and to which."""
    found = sections.get(f".rel{name}")
    for entry in found.iter_relocations() if isinstance(found, RelocationSection) else ():
        yield entry["r_offset"], sections[".symtab"].get_symbol(entry["r_info_sym"])


def _maps(btf: Btf) -> dict[str, int]:
    """Types of the declared maps; a member `type` is a pointer to an array of that many elements."""
    maps = {}
    for name, number in btf.variables(".maps").items():
        declaration = btf.resolve(number)
        if declaration.item("pinning"):
            raise ObjectError("", Fault("pinned-map", f"map {name} is pinned, which no policy may do"))
        kind = declaration.item("type")
        maps[name] = btf.resolve(btf.resolve(kind.type).type).number if kind else 0
    return maps


def _constants(btf: Btf, sections: Mapping[str, Any]) -> dict[str, Constant]:
    """All but those inside of functions. Offsets come from the symbols: the loader fills in those in BTF."""
    if ".rodata" not in sections:
        return {}
    data = plain_data(sections[".rodata"])
    symbols = {symbol.name: symbol for symbol in sections[".symtab"].iter_symbols()}
    constants = {}
    for name, number in btf.variables(".rodata").items():
        if "." in name:
            continue
        named, real = btf.resolve(number, typedefs=False), btf.resolve(number)
        at, size = symbols[name]["st_value"], symbols[name]["st_size"]
        integer = real.kind is Kind.INT
        value = int.from_bytes(data[at : at + size], "little", signed=real.signed) if integer else None
        constants[name] = Constant(named.name, size, value)
    return constants


def plain_data(section: Any) -> bytes:
    """The bytes of a section as they stand in the file: nothing is unpacked or made up."""
    if section["sh_type"] == "SHT_NOBITS" or section["sh_flags"] & _COMPRESSED:
        raise ValueError(f"section {section.name} is not plain data")
    return bytes(section.data())


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode()
