# SPDX-License-Identifier: Apache-2.0
"""CODEOWNERS: who has to agree to a change of which file. The last line that matches a path decides."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS", ".forgejo/CODEOWNERS")
"""Where the file may be; the first that is there counts."""

MOST_BYTES = 3 << 20
"""Of the file; GitHub reads no larger one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line.

    Attributes:
        pattern: as written, in the syntax of .gitignore without `!` and `[ ]`.
        owners: users and teams (`acme/kernel`) without their `@`; none = nobody has to agree.
    """

    pattern: str
    owners: tuple[str, ...]


def parse_codeowners(text: str) -> tuple[Rule, ...]:
    """Read the file; sections of GitLab (`[name]`) and addresses of e-mail are left out."""
    rules = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words and not words[0].startswith(("[", "^[", "!")):
            owners = tuple(word[1:] for word in words[1:] if word.startswith("@") and len(word) > 1)
            rules.append(Rule(words[0], owners))
    return tuple(rules)


def owners_of(rules: Iterable[Rule], path: str) -> tuple[str, ...]:
    """The owners of a file: a path from the repository's top."""
    owners: tuple[str, ...] = ()
    for rule in rules:
        if _expression(rule.pattern).fullmatch(path):
            owners = rule.owners
    return owners


def _expression(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression for whole paths."""
    anchored = "/" in pattern.rstrip("/")
    words = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/"))
    wild = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    body = "".join(wild.get(word, re.escape(word)) for word in words)
    start = "" if anchored else "(?:.*/)?"
    # `docs/*` means the files in docs alone; a plain name or `docs/` means all below it, too.
    end = "/.*" if pattern.endswith("/") else "" if pattern.endswith("/*") else "(?:/.*)?"
    return re.compile(start + body + end, re.DOTALL)
