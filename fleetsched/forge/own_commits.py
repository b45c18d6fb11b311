# SPDX-License-Identifier: Apache-2.0
"""The commits of proposals that fleetsched makes, told apart from those that people make.

Such a commit says in its message which tree it has. Who changes a file makes another tree, and who copies the
message has the wrong one: so what people did is never taken for fleetsched's own and overwritten.
"""

from __future__ import annotations

import re

from fleetsched.fleetrepo.branches import Branches
from fleetsched.forge.interface import Change
from fleetsched.views.markdown import defused

_TREE = re.compile(r"^Fleetsched-Tree: ([0-9a-f]{40})$", re.MULTILINE)


class OwnCommits:
    """Commits on the trusted branch's tip, each one proposal."""

    def __init__(self, branches: Branches) -> None:
        self._branches = branches

    def make(self, change: Change, message: str, there: str) -> str:
        """Make the commit of a change; return it. No ref points to it yet.

        Where `there` has the same tree on the same base, it is that one: approvals of it stay.
        """
        git = self._branches.git
        first = self._branches.commit(change.files, "tree\n", base=change.base)
        tree = git.output("rev-parse", f"{first}^{{tree}}")
        if (
            there
            and git.output("show", "--no-patch", "--format=%T %P", there, "--") == f"{tree} {change.base}"
        ):
            return there
        trailers = f"Fleetsched-Proposal: {change.goal}\nFleetsched-Tree: {tree}\n"
        # A line of the message that looks like a trailer would be taken for one.
        text = _TREE.sub("", defused(message)).rstrip()
        return self._branches.commit_tree(tree, f"{text}\n\n{trailers}", (change.base,))

    def made(self, commit: str) -> bool:
        """Whether fleetsched made it: one commit on the trusted branch, with the tree that it says."""
        git = self._branches.git
        status, said, _ = git.run("show", "--no-patch", "--format=%T %P%n%B", commit, "--")
        if status != 0:
            return False
        heading, _, message = said.partition("\n")
        tree, *parents = heading.split()
        trusted = self._branches.trust.reference
        return (
            _TREE.findall(message) == [tree]
            and len(parents) == 1
            and self._branches.contains(trusted, parents[0])
        )
