# SPDX-License-Identifier: Apache-2.0
"""Hosts, groups, and the Ansible patterns that select hosts."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fleetsched.errors import InputError
from fleetsched.model.suggest import suggestion

Connection = Literal["ssh", "local"]

_SUBSCRIPT = re.compile(r"^(?P<name>.+)\[(?:(?P<index>-?[0-9]+)|(?P<first>[0-9]*)[:-](?P<last>[0-9]*))\]$")
_COMMA_OUTSIDE_BRACKETS = re.compile(r",(?![^\[]*\])")
_COLON_OUTSIDE_BRACKETS = re.compile(r":(?![^\[]*\])")


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of the inventory, with how to reach it.

    Attributes:
        name: its name in the inventory; unique.
        address: name or IP address to connect to (`ansible_host`, else the name).
        port: TCP port of its sshd; None = what the SSH configuration says, else 22.
        user: whom to log in as; None = what the SSH configuration says, else the current user.
        key_file: private key file as written (may begin with `~`); None = the SSH configuration's and the
            agent's.
        become: whether to use sudo; None = when the login user is not root.
        connection: `ssh`, or `local` for the controller itself.
        ssh_options: OpenSSH options parsed from `ansible_ssh_common_args` and `ansible_ssh_extra_args`, by
            name in lower case (`userknownhostsfile`, `stricthostkeychecking`, `proxyjump`, ...); the first of
            several wins, as in OpenSSH.
        variables: every other variable after precedence.
        groups: names of all its groups, sorted, ancestors and `ungrouped` included, without `all`.
    """

    name: str
    address: str
    port: int | None = None
    user: str | None = None
    key_file: str | None = None
    become: bool | None = None
    connection: Connection = "ssh"
    ssh_options: Mapping[str, str] = field(default_factory=dict, hash=False)
    variables: Mapping[str, Any] = field(default_factory=dict, hash=False)
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """All hosts by name, in the order in which the files name them, and all groups.

    Attributes:
        hosts: host by name.
        groups: names of a group's hosts, its own first and then its children's; `all` and `ungrouped` are
            there, too. The order of `all` is what slices count by, and it is Ansible's.
    """

    hosts: Mapping[str, Host] = field(default_factory=dict, hash=False)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def select(self, pattern: str) -> list[Host]:
        """List the hosts that an Ansible pattern selects.

        A pattern is one or several of: `all` or `*`, a group, a host, a glob (`web-*`), a regular expression
        (`~web-[0-9]+`), a group's slice (`web[0]`, `web[0:5]`, both ends included, `web[-1]`); joined by `:`
        or `,` (union), `:&` (intersection) and `:!` (exclusion). Intersections and exclusions are applied
        after all unions, wherever they stand; without any union they start from `all`. A host may be named by
        an IPv6 address, alone or between commas.

        Returns:
            Hosts without repetition, in the order of the pattern's parts and then of the groups. A glob or
            a group without hosts selects nothing.

        Raises:
            InputError: a name is neither a group nor a host (also after `!`, where a typing error would let a
                host in), or a part cannot be read, or names a file of patterns.
        """
        unions: list[str] = []
        intersections: list[set[str]] = []
        excluded: set[str] = set()
        for part in self._parts(pattern):
            if part.startswith("&"):
                intersections.append(set(self._match(part[1:], pattern)))
            elif part.startswith("!"):
                excluded.update(self._match(part[1:], pattern))
            else:
                unions.append(part)
        if not unions:
            unions.append("all")
        # In a union a host goes before a group of the same name, as in Ansible.
        names = dict.fromkeys(
            name for part in unions for name in ([part] if part in self.hosts else self._match(part, pattern))
        )
        return [
            self.hosts[name]
            for name in names
            if name not in excluded and all(name in kept for kept in intersections)
        ]

    def _parts(self, pattern: str) -> list[str]:
        parts: list[str] = []
        for piece in map(str.strip, _COMMA_OUTSIDE_BRACKETS.split(pattern)):
            if self._is_name(piece.lstrip("&!")):
                parts.append(piece)  # which may hold colons
            else:
                parts += map(str.strip, _COLON_OUTSIDE_BRACKETS.split(piece))
        if not any(parts):
            raise InputError("the host pattern is empty", remedy="write `all` for every host")
        return [part for part in parts if part]

    def _is_name(self, text: str) -> bool:
        return text in self.hosts or text in self.groups

    def _match(self, part: str, pattern: str) -> list[str]:
        subscript = None if part.startswith("~") or part in self.hosts else _SUBSCRIPT.match(part)
        if subscript is None:
            return list(dict.fromkeys(self._match_names(part, pattern)))
        names = list(dict.fromkeys(self._match_names(subscript["name"], pattern)))
        return _slice(names, subscript)

    def _match_names(self, part: str, pattern: str) -> Iterator[str]:
        if part in self.groups:
            yield from self.groups[part]
        elif part in self.hosts:
            yield part
        elif part.startswith("@"):
            raise InputError(
                f'host pattern "{pattern}": "{part}" would be a file of patterns, which is not read',
                remedy="make a group of these hosts in the inventory, or write their names",
            )
        elif part.startswith("~") or any(character in part for character in "*?["):
            matches = _compile(part, pattern)
            for group, hosts in self.groups.items():
                if matches.match(group):
                    yield from hosts
            yield from (name for name in self.hosts if matches.match(name))
        else:
            known = [*self.groups, *self.hosts]
            raise InputError(f'host pattern "{pattern}": no group or host "{part}"{suggestion(part, known)}')


def _compile(part: str, pattern: str) -> re.Pattern[str]:
    expression = part[1:] if part.startswith("~") else fnmatch.translate(part)
    try:
        return re.compile(expression)
    except re.error as error:
        raise InputError(
            f'host pattern "{pattern}": "{part}" is not a regular expression: {error}'
        ) from error


def _slice(names: list[str], subscript: re.Match[str]) -> list[str]:
    """Take `[index]`, `[first:last]`, `[first:]` or `[:last]`; both ends are included, unlike in Python."""
    if subscript["index"] is not None:
        index = int(subscript["index"])
        return [names[index]] if -len(names) <= index < len(names) else []
    last = int(subscript["last"]) + 1 if subscript["last"] else None
    return names[int(subscript["first"] or 0) : last]
