# SPDX-License-Identifier: Apache-2.0
"""What every forge refuses, in the same words."""

from __future__ import annotations

from collections.abc import Container

from fleetsched.errors import RefusedError
from fleetsched.model.proposal import BRANCHES, Proposal, State


def check_open(proposal: Proposal, branches: Container[str]) -> None:
    """Refuse what can only be done with an open proposal.

    Args:
        proposal: in question.
        branches: the goals whose branch is there.

    Raises:
        RefusedError: it is not open, or its branch is gone.
    """
    if proposal.state is not State.OPEN:
        raise RefusedError(
            f"proposal {proposal.goal} is {proposal.state}",
            remedy=f"`fleetsched propose {proposal.goal}` makes another",
        )
    if proposal.goal not in branches:
        raise RefusedError(
            f"proposal {proposal.goal}: its branch {proposal.branch} is gone",
            remedy="close the proposal, and propose again",
        )


def peoples_branch(goal: str) -> RefusedError:
    """The refusal to overwrite what people have pushed to a proposal's branch."""
    return RefusedError(
        f"goal {goal}: the branch {BRANCHES}{goal} has commits that fleetsched did not make; they are not"
        " overwritten",
        remedy="review and merge them, or close the proposal or delete the branch first",
    )
