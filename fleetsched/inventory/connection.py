# SPDX-License-Identifier: Apache-2.0
"""Ansible's connection variables to how a host is reached."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from fleetsched.documents.node import Node, Opaque, shown
from fleetsched.errors import Problem
from fleetsched.model.inventory import Connection, Host
from fleetsched.model.suggest import suggestion

# The newer name first: it wins where both are given.
_ADDRESS = ("ansible_host", "ansible_ssh_host")
_PORT = ("ansible_port", "ansible_ssh_port")
_USER = ("ansible_user", "ansible_ssh_user")
_KEY_FILE = ("ansible_ssh_private_key_file", "ansible_private_key_file")
_ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
_PASSWORDS = ("ansible_password", "ansible_ssh_pass", "ansible_become_password", "ansible_become_pass")
_CHECKED = ("ansible_connection", "ansible_become", "ansible_become_user", "ansible_become_method")
# About Ansible's own work on the host, which fleetsched does not do.
_WITHOUT_MEANING_HERE = (
    "ansible_python_interpreter",
    "ansible_group_priority",
    "ansible_shell_type",
    "ansible_ssh_pipelining",
    "ansible_pipelining",
)
KNOWN = (*_ADDRESS, *_PORT, *_USER, *_KEY_FILE, *_ARGUMENTS, *_PASSWORDS, *_CHECKED, *_WITHOUT_MEANING_HERE)

_CONNECTIONS: dict[str, Connection] = {
    "ssh": "ssh",
    "smart": "ssh",
    "paramiko": "ssh",
    "paramiko_ssh": "ssh",
    "local": "local",
}
_FLAGS_WITH_VALUE = {"-J": "proxyjump", "-p": "port", "-l": "user", "-i": "identityfile"}
_FLAGS = {"-C": ("compression", "yes"), "-4": ("addressfamily", "inet"), "-6": ("addressfamily", "inet6")}
# A leading hyphen would be read as an option by a program that gets the word as an argument.
_WORD = re.compile(r"[^\s\-\x00-\x1f][^\s\x00-\x1f]*")


@dataclass
class Findings:
    """Problems and warnings, in no order."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def host(name: str, variables: Mapping[str, Node], groups: tuple[str, ...], findings: Findings) -> Host:
    """Make a host of its variables after precedence; what is wrong with them goes to `findings`."""
    reader = _Reader(variables, findings)
    for variable in variables:
        if variable.startswith("ansible_") and variable not in KNOWN:
            message = f"`{variable}` has no meaning here and is ignored{suggestion(variable, KNOWN)}"
            findings.warnings.append(variables[variable].problem(message))
    reader.refuse()
    options = reader.ssh_options()
    # What has a variable of its own is no option any more, and its own variable wins.
    port, user, key_file = (options.pop(name, None) for name in ("port", "user", "identityfile"))
    return Host(
        name=name,
        address=reader.word(_ADDRESS) or name,
        port=reader.number(_PORT) or (int(port) if port else None),
        user=reader.word(_USER) or user,
        key_file=reader.text(_KEY_FILE) or key_file,
        become=reader.boolean("ansible_become"),
        connection=reader.connection(),
        ssh_options=options,
        variables={key: node.value for key, node in variables.items() if not key.startswith("ansible_")},
        groups=groups,
    )


@dataclass
class _Reader:
    variables: Mapping[str, Node]
    findings: Findings

    def _problem(self, node: Node, message: str) -> None:
        self.findings.problems.append(node.problem(message))

    def _first(self, names: tuple[str, ...]) -> tuple[str, Node] | None:
        """Find the first that is given and can be read."""
        for name in names:
            node = self.variables.get(name)
            if node is None or node.value is None:
                continue
            if isinstance(node.value, Opaque):
                how = "encrypted" if "vault" in node.value.tag else "marked"
                self._problem(node, f"`{name}` is {how} ({node.value.tag}): not supported; write the value")
            elif isinstance(node.value, str) and ("{{" in node.value or "{%" in node.value):
                self._problem(node, f"`{name}` is a template: not supported; write the value")
            else:
                return name, node
        return None

    def text(self, names: tuple[str, ...]) -> str | None:
        found = self._first(names)
        if found is None:
            return None
        name, node = found
        if isinstance(node.value, str | int | float) and not isinstance(node.value, bool) and str(node.value):
            return str(node.value)
        self._problem(node, f"`{name}`: expected text, got {shown(node.value)}")
        return None

    def word(self, names: tuple[str, ...]) -> str | None:
        text = self.text(names)
        if text is not None and not _WORD.fullmatch(text):
            found = self._first(names)
            assert found is not None  # text() has just read it
            name, node = found
            self._problem(node, f"`{name}`: expected one word without a leading hyphen, got {shown(text)}")
            return None
        return text

    def number(self, names: tuple[str, ...]) -> int | None:
        found = self._first(names)
        if found is None:
            return None
        name, node = found
        text = "" if isinstance(node.value, bool) else str(node.value)
        if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
            self._problem(node, f"`{name}`: expected a port from 1 to 65535, got {shown(node.value)}")
            return None
        return int(text)

    def boolean(self, name: str) -> bool | None:
        found = self._first((name,))
        if found is None:
            return None
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        value = words.get(str(found[1].value).lower())
        if value is None:
            self._problem(found[1], f"`{name}`: expected true or false, got {shown(found[1].value)}")
        return value

    def connection(self) -> Connection:
        found = self._first(("ansible_connection",))
        if found is None:
            return "ssh"
        name, node = found
        if str(node.value) not in _CONNECTIONS:
            self._problem(node, f"`{name}`: expected ssh or local, got {shown(node.value)}")
        return _CONNECTIONS.get(str(node.value), "ssh")

    def refuse(self) -> None:
        """Refuse what would change how hosts are reached and what is not done here."""
        for name in _PASSWORDS:
            node = self.variables.get(name)
            if node is not None:
                self._problem(
                    node, f"`{name}`: passwords are not read from inventories; use keys and NOPASSWD sudo"
                )
        for name, only in (("ansible_become_user", "root"), ("ansible_become_method", "sudo")):
            found = self._first((name,))
            if found is not None and found[1].value != only:
                self._problem(found[1], f"`{name}`: only {only} is supported, got {shown(found[1].value)}")

    def ssh_options(self) -> dict[str, str]:
        """Read the OpenSSH command-line options of all three variables; the first of each wins."""
        options: dict[str, str] = {}
        for name in _ARGUMENTS:
            text = self.text((name,))
            if text is None:
                continue
            try:
                for option, value in _arguments(text):
                    options.setdefault(option.lower(), value)
            except ValueError as error:
                self._problem(self.variables[name], f"`{name}`: {error}")
        return options


@cache  # a group's arguments are the same text for thousands of hosts
def _arguments(text: str) -> tuple[tuple[str, str], ...]:
    """Read `-o Name=value`, `-J gate` and the like.

    Raises:
        ValueError: an argument is not understood; the message says which.
    """
    words = iter(shlex.split(text))
    return tuple(_argument(word, words) for word in words)


def _argument(word: str, following: Iterator[str]) -> tuple[str, str]:
    if word in _FLAGS:
        return _FLAGS[word]
    flag, value = word[:2], word[2:]
    if flag != "-o" and flag not in _FLAGS_WITH_VALUE:
        raise ValueError(f"{shown(word)} is not understood; use `-o Name=value`")
    value = value or next(following, "")
    if not value:
        raise ValueError(f"{flag} needs a value")
    return _checked(*_option(value)) if flag == "-o" else _checked(_FLAGS_WITH_VALUE[flag], value)


def _checked(name: str, value: str) -> tuple[str, str]:
    if name.lower() == "port" and not (value.isdecimal() and 1 <= int(value) <= 65535):
        raise ValueError(f"expected a port from 1 to 65535, got {shown(value)}")
    return name, value


def _option(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"\s*([A-Za-z0-9]+)\s*[=\s]\s*(\S.*?)\s*", text)
    if match is None:
        raise ValueError(f"-o {shown(text)} is not `Name=value`")
    return match[1], match[2]
