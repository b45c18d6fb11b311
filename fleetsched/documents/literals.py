# SPDX-License-Identifier: Apache-2.0
"""Secrets that a person wrote into a file instead of a reference to them."""

from __future__ import annotations

from collections.abc import Iterator

from fleetsched.documents.node import Node, shown
from fleetsched.errors import Problem
from fleetsched.secrets import find_secret, is_literal, names_secret

_REVOKE = "whoever reads the file has it; revoke it"
_REFERENCE = f"{_REVOKE}, and write where it is: {{env: NAME}} or {{file: PATH}}"
# Ansible knows no such references, but it can keep variables encrypted.
IN_INVENTORY = f"{_REVOKE}, and encrypt the new one with ansible-vault"


def secrets_in(document: Node) -> Iterator[Problem]:
    """Name every text of a document that looks like a secret, or is called one."""
    yield from known_forms(document, _REFERENCE)
    yield from called_secret(document, _REFERENCE)


def known_forms(document: Node, remedy: str) -> Iterator[Problem]:
    """Name every text that looks like a secret by itself: private keys, the tokens of well-known issuers."""
    for node in _all(document):
        if isinstance(node.value, str) and (what := find_secret(node.value)):
            yield node.problem(f"this looks like {what}: {remedy}")


def called_secret(document: Node, remedy: str) -> Iterator[Problem]:
    """Name every text under a key such as `password` or `apiToken`, unless it only says where a secret is."""
    for node in _all(document):
        if isinstance(node.value, dict):
            for key, child in node.items():
                text = child.value
                if names_secret(key) and isinstance(text, str) and is_literal(text) and not find_secret(text):
                    yield child.problem(f"{shown(key)} looks like a secret in the clear: {remedy}")


def _all(document: Node) -> Iterator[Node]:
    nodes = [document]
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children.values())
        yield node
