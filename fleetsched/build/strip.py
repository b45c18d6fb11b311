# SPDX-License-Identifier: Apache-2.0
"""Take the debugger's sections out of a BPF object.

The compiler makes BTF only together with DWARF, which no loader reads and which is more than half of a file.
What remains is a function of the input alone: sections in their order, names and symbols as before, indices
renumbered.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from fleetsched.errors import BuildError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_REL = struct.Struct("<QQ")

_SHT_SYMTAB, _SHT_STRTAB, _SHT_NOBITS, _SHT_REL = 2, 3, 8, 9
_SHN_LORESERVE = 0xFF00
_MAX_ALIGN = 4096
_DROPPED = (".debug_", ".rel.debug_", ".rel.BTF", ".llvm_addrsig")
"""`.rel.BTF*` are for linkers; the loader finds the same values in place."""


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    type: int
    flags: int
    link: int
    info: int
    align: int
    entry: int
    size: int
    data: bytes


class _Strings:
    """A string table that is being written."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")
        self._offsets = {"": 0}

    def add(self, text: str) -> int:
        """Return the offset of `text`, which is appended when it is new."""
        if text not in self._offsets:
            self._offsets[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self._offsets[text]


def strip_debug(image: bytes) -> bytes:
    """Return `image` (ELF64, little endian, relocatable) without what only a debugger or linker reads.

    Raises:
        BuildError: `image` is not such a file.
    """
    try:
        return _strip(image)
    except (struct.error, LookupError, StopIteration, OverflowError, ValueError) as error:
        raise BuildError(f"the compiler's output is not a BPF object: {error}") from error


def _strip(image: bytes) -> bytes:
    if image[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no ELF64 header")
    sections = _read(image)
    if any(section.align > _MAX_ALIGN for section in sections):
        raise ValueError("a section with an alignment that no compiler asks for")
    kept = [i for i, section in enumerate(sections) if not section.name.startswith(_DROPPED)]
    number = {old: new for new, old in enumerate(kept)}
    strings = _Strings()
    renumbered: dict[int, int] = {}
    symbols = next(i for i, section in enumerate(sections) if section.type == _SHT_SYMTAB)
    names = sections[sections[symbols].link].data
    sections[symbols] = _keep_symbols(sections[symbols], names, number, strings, renumbered)

    out = []
    for index in kept:
        section = sections[index]
        info = number[section.info] if section.type == _SHT_REL else section.info
        data = _renumber(section.data, renumbered) if section.type == _SHT_REL else section.data
        out.append(replace(section, link=number.get(section.link, 0), info=info, data=data))
    offsets = [strings.add(section.name) for section in out]
    table = next(i for i, section in enumerate(out) if section.type == _SHT_STRTAB)
    out[table] = replace(out[table], data=bytes(strings.data), size=len(strings.data))
    return _write(image, out, offsets, table)


def _read(image: bytes) -> list[_Section]:
    """All sections, in the order of the header table."""
    header = _HEADER.unpack_from(image)
    start, count, names_at = header[6], header[12], header[13]
    raw = [_SECTION.unpack_from(image, start + i * _SECTION.size) for i in range(count)]
    names = image[raw[names_at][4] : raw[names_at][4] + raw[names_at][5]]
    return [
        _Section(
            name=_text(names, name),
            type=kind,
            flags=flags,
            link=link,
            info=info,
            align=align,
            entry=entry,
            size=size,
            data=b"" if kind == _SHT_NOBITS else image[offset : offset + size],
        )
        for name, kind, flags, _, offset, size, link, info, align, entry in raw
    ]


def _text(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()


def _keep_symbols(
    table: _Section, names: bytes, number: dict[int, int], strings: _Strings, renumbered: dict[int, int]
) -> _Section:
    """Drop the symbols of dropped sections; fill `renumbered` with the new index of each that stays."""
    data = bytearray()
    local = 0
    for old, (name, info, other, section, value, size) in enumerate(_SYMBOL.iter_unpack(table.data)):
        special = section == 0 or section >= _SHN_LORESERVE
        if not special and section not in number:
            continue
        renumbered[old] = len(data) // _SYMBOL.size
        local += info >> 4 == 0
        place = section if special else number[section]
        data += _SYMBOL.pack(strings.add(_text(names, name)), info, other, place, value, size)
    return replace(table, data=bytes(data), size=len(data), info=local)


def _renumber(relocations: bytes, renumbered: dict[int, int]) -> bytes:
    return b"".join(
        _REL.pack(offset, renumbered[info >> 32] << 32 | info & 0xFFFFFFFF)
        for offset, info in _REL.iter_unpack(relocations)
    )


def _write(image: bytes, sections: list[_Section], names: list[int], table: int) -> bytes:
    """Lay the sections out one after the other, each at its alignment, and the header table last."""
    body = bytearray(_HEADER.size)
    headers = bytearray()
    for section, name in zip(sections, names, strict=True):
        if section.type:
            body += bytes(-len(body) % max(section.align, 1))
        offset = len(body) if section.type else 0
        body += section.data
        headers += _SECTION.pack(
            name,
            section.type,
            section.flags,
            0,
            offset,
            section.size,
            section.link,
            section.info,
            section.align,
            section.entry,
        )
    body += bytes(-len(body) % 8)
    header = list(_HEADER.unpack_from(image))
    header[6], header[12], header[13] = len(body), len(sections), table
    body[: _HEADER.size] = _HEADER.pack(*header)
    return bytes(body + headers)
