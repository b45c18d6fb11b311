# SPDX-License-Identifier: Apache-2.0
"""What a shell offers at the Tab key where a name of the fleet repository belongs. Says nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from fleetsched.errors import FleetschedError


def complete_goal(ctx: typer.Context, incomplete: str) -> list[str]:
    """Goals of the repository."""
    from fleetsched.operations.names import goals

    return _matching(goals, ctx, incomplete)


def complete_group(ctx: typer.Context, incomplete: str) -> list[str]:
    """Host groups of the repository."""
    from fleetsched.operations.names import host_groups

    return _matching(host_groups, ctx, incomplete)


def complete_hosts(ctx: typer.Context, incomplete: str) -> list[str]:
    """Groups and hosts of the inventory."""
    from fleetsched.operations.names import hosts

    return _matching(hosts, ctx, incomplete)


def complete_policy(ctx: typer.Context, incomplete: str) -> list[str]:
    """Policies of the repository."""
    from fleetsched.operations.names import policies

    return _matching(policies, ctx, incomplete)


def complete_shipped_policy(incomplete: str) -> list[str]:
    """Policies of the catalogue."""
    from fleetsched.operations.names import policies
    from fleetsched.shipped import shipped_root

    return [name for name in policies(shipped_root()) if name.startswith(incomplete)]


def _matching(names: Callable[[Path], list[str]], ctx: typer.Context, incomplete: str) -> list[str]:
    from fleetsched.cli.options import find_repository  # its options use this file

    given = ctx.params.get("repository")
    try:
        root = find_repository(Path(given) if given else None)
        return [name for name in names(root) if name.startswith(incomplete)]
    except (FleetschedError, OSError):
        return []
