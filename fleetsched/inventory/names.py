# SPDX-License-Identifier: Apache-2.0
"""Which names groups and hosts may have."""

from __future__ import annotations

import ipaddress
import re

from fleetsched.documents.node import shown

# A group is a word in patterns: whatever can be written there. A host's name reaches other programs.
_GROUP = re.compile(r"[^\s!&~@:,\[\]-][^:,\[\]]*")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def group_mistake(name: str) -> str:
    """Say what is wrong with a group's name; empty when nothing is."""
    if _GROUP.fullmatch(name) and name.isprintable():
        return ""
    return f"expected a group's name without `:`, `,` and brackets, got {shown(name)}"


def host_mistake(name: str) -> str:
    """Say what is wrong with a host's name; empty when nothing is."""
    if _HOST.fullmatch(name) or _is_ipv6(name):
        return ""
    return f"expected a host's name of letters, digits, `_`, `.` and `-`, got {shown(name)}"


def _is_ipv6(name: str) -> bool:
    try:
        ipaddress.IPv6Address(name)
    except ValueError:
        return False
    return "%" not in name
