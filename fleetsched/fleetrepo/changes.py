# SPDX-License-Identifier: Apache-2.0
"""Which files a proposal changes, and which of them no proposal may touch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fleetsched.documents.node import shown
from fleetsched.fleetrepo.git import Git

MOST_BYTES = 1 << 20
"""Of one file of a proposal."""

_PLAIN, _GONE = "100644", "000000"
_POLICY = re.compile(
    r"policies/([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)/(?!\.)[^/\x00-\x1f]+(/(?!\.)[^/\x00-\x1f]+)*"
)
_LESSONS = re.compile(r"lessons/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.yaml")
_MANIFEST = re.compile(r"manifests/((?!\.)[^/\x00-\x1f]+/)*(?!\.)[^/\x00-\x1f]+\.ya?ml")


@dataclass(frozen=True, slots=True)
class Change:
    """One file that differs between two commits.

    Attributes:
        path: below the fleet repository's folder; begins with `../` outside of it.
        mode: of the new file; `000000` = it is deleted.
        blob: the new content.
    """

    path: str
    mode: str
    blob: str

    @property
    def policy(self) -> str:
        """The policy whose folder it is in; empty = none."""
        match = _POLICY.fullmatch(self.path)
        return match[1] if match else ""


def changed_files(git: Git, base: str, head: str) -> list[Change]:
    """List every file that differs, of the whole Git repository; renames are a deletion and a new file.

    Args:
        git: in the fleet repository's folder.
        base: commit or tree.
        head: commit or tree.
    """
    prefix = git.output("rev-parse", "--show-prefix")
    options = ("--raw", "-z", "--no-renames", "--no-abbrev", "--no-ext-diff", "--no-relative")
    fields = git.output("diff", *options, "--ignore-submodules=none", base, head).split("\0")
    changes = []
    for described, path in zip(fields[0::2], fields[1::2], strict=False):
        _, mode, _, blob, _ = described.split()
        inside = path.startswith(prefix)
        changes.append(Change(path[len(prefix) :] if inside else f"../{path}", mode, blob))
    return changes


def forbidden(git: Git, changes: list[Change]) -> Iterator[str]:
    """Say of each change what a proposal may not do: it is one policy's folder, bindings, and lessons."""
    for change in changes:
        yield from _forbidden(git, change)
    policies = sorted({change.policy for change in changes if change.policy})
    if len(policies) > 1:
        yield f"more than one policy: {', '.join(policies)}"


def _forbidden(git: Git, change: Change) -> Iterator[str]:
    name = shown(change.path)
    if not change.policy and not any(form.fullmatch(change.path) for form in (_MANIFEST, _LESSONS)):
        yield f"{name} is neither in a policy's folder, nor a manifest, nor a goal's lessons"
    elif change.mode not in (_PLAIN, _GONE):
        yield f"{name} is no plain file (mode {change.mode})"
    elif change.mode == _PLAIN and (size := int(git.output("cat-file", "-s", change.blob))) > MOST_BYTES:
        yield f"{name} has {size:,} bytes; {MOST_BYTES:,} are the most"
