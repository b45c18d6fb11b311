# SPDX-License-Identifier: Apache-2.0
"""Secrets that a person wrote into a file instead of a reference to them."""

from __future__ import annotations

from collections.abc import Iterator

from fleetsched.documents.node import Node
from fleetsched.errors import Problem
from fleetsched.secrets import find_secret

_REMEDY = "whoever reads the repository has it: revoke it, and keep it out of files"


def secrets_in(document: Node) -> Iterator[Problem]:
    """Name every text of a document that looks like a secret."""
    nodes = [document]
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children.values())
        if isinstance(node.value, str) and (what := find_secret(node.value)):
            yield node.problem(f"this looks like {what}: {_REMEDY}")
