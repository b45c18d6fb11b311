# SPDX-License-Identifier: Apache-2.0
"""A reader of BTF, the type information of objects and kernels (the kernel's Documentation/bpf/btf.rst)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MAGIC = 0xEB9F

MOST_LINKS = 32
"""Typedefs and qualifiers from any type to what it is in the end, itself included."""


class Kind(IntEnum):
    """What a type is."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


_MODIFIERS = {Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG}
_TAIL = {Kind.INT: 4, Kind.ARRAY: 12, Kind.VAR: 4, Kind.DECL_TAG: 4}
_ITEM = {
    Kind.STRUCT: "<III",
    Kind.UNION: "<III",
    Kind.ENUM: "<Ii",
    Kind.FUNC_PROTO: "<II",
    Kind.DATASEC: "<III",
    Kind.ENUM64: "<III",
}


@dataclass(frozen=True, slots=True)
class Item:
    """A member, enumerator, parameter or variable of a section.

    Attributes:
        name: empty for the variables of a section, whose types have the names.
        type: id of its type; 0 for enumerators.
        value: a member's offset in bytes, an enumerator's value, else 0.
    """

    name: str
    type: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True)
class Type:
    """One type.

    Attributes:
        size: bytes; meaningful for integers, structs, unions, enums and sections.
        type: id of the type it refers to; 0 = void or none.
        number: an array's number of elements, or a variable's linkage (1 = global).
    """

    kind: Kind
    name: str
    size: int = 0
    type: int = 0
    number: int = 0
    signed: bool = False
    items: tuple[Item, ...] = ()

    def item(self, name: str) -> Item | None:
        """The member or enumerator of that name."""
        return next((item for item in self.items if item.name == name), None)


class Btf:
    """All types of one BTF section; a type's id is its place, id 0 is void.

    Raises:
        ValueError: the bytes are not BTF that this reader knows.
    """

    def __init__(self, data: bytes) -> None:
        try:
            magic, _, _, header, types_at, types_size, strings_at, strings_size = _HEADER.unpack_from(data)
            if magic != _MAGIC:
                raise ValueError(f"no BTF: magic {magic:#x}")
            self._strings = data[header + strings_at : header + strings_at + strings_size]
            body = data[header + types_at : header + types_at + types_size]
            self.types = [Type(Kind.VOID, "void"), *self._read(body)]
        except (struct.error, IndexError) as error:
            raise ValueError(f"truncated BTF: {error}") from error

    def find(self, name: str, *kinds: Kind) -> Type | None:
        """The first type of that name and one of these kinds."""
        return next((each for each in self.types if each.name == name and each.kind in kinds), None)

    def resolve(self, number: int, *, typedefs: bool = True) -> Type:
        """Follow qualifiers, and typedefs unless told not to, from a type id to what it is.

        Raises:
            ValueError: a dangling or circular reference.
        """
        for _ in range(MOST_LINKS):
            if number >= len(self.types):
                break
            found = self.types[number]
            if found.kind not in _MODIFIERS and not (typedefs and found.kind is Kind.TYPEDEF):
                return found
            number = found.type
        raise ValueError(f"type {number} leads nowhere")

    def check_links(self) -> None:
        """Resolve every type once.

        Raises:
            ValueError: a dangling or circular reference.
        """
        for number in range(len(self.types)):
            self.resolve(number)

    def variables(self, section: str) -> dict[str, int]:
        """The variables of a section: the id of each one's type by its name.

        Raises:
            ValueError: two have one name.
        """
        found = self.find(section, Kind.DATASEC)
        variables = [self.types[item.type] for item in found.items] if found else []
        types = {variable.name: variable.type for variable in variables}
        if len(types) != len(variables):
            raise ValueError(f"two variables of section {section} have one name")
        return types

    def _read(self, body: bytes) -> Iterator[Type]:
        at = 0
        while at < len(body):
            name, info, word = _TYPE.unpack_from(body, at)
            at += _TYPE.size
            kind, count, flag = Kind(info >> 24 & 0x1F), info & 0xFFFF, bool(info >> 31)
            if kind in _ITEM:
                form = struct.Struct(_ITEM[kind])
                raw = [form.unpack_from(body, at + i * form.size) for i in range(count)]
                at += count * form.size
                items = tuple(self._item(kind, flag, each) for each in raw)
                yield Type(kind, self._text(name), word, word, signed=flag, items=items)
                continue
            tail = struct.unpack_from(f"<{_TAIL.get(kind, 0) // 4}I", body, at)
            at += _TAIL.get(kind, 0)
            target, number, signed = word, 0, False
            if kind is Kind.ARRAY:
                target, number = tail[0], tail[2]
            elif kind is Kind.VAR:
                number = tail[0]
            elif kind is Kind.INT:
                signed = bool(tail[0] >> 24 & 1)
            yield Type(kind, self._text(name), word, target, number, signed)

    def _item(self, kind: Kind, flag: bool, raw: tuple[int, ...]) -> Item:
        match kind:
            case Kind.STRUCT | Kind.UNION:
                bits = raw[2] & 0xFFFFFF if flag else raw[2]
                return Item(self._text(raw[0]), raw[1], bits // 8)
            case Kind.ENUM:
                return Item(self._text(raw[0]), value=raw[1])
            case Kind.ENUM64:
                return Item(self._text(raw[0]), value=raw[2] << 32 | raw[1])
            case Kind.DATASEC:
                return Item("", raw[0])
            case _:
                return Item(self._text(raw[0]), raw[1])

    def _text(self, offset: int) -> str:
        return self._strings[offset : self._strings.index(b"\0", offset)].decode()
