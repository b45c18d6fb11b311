# SPDX-License-Identifier: Apache-2.0
"""What the controller's own file says. It is never read from a fleet repository."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trust:
    """Which branch vouches for a revision.

    Attributes:
        remote: the Git remote that it is fetched from.
        branch: the branch from which an approved revision can be reached.
    """

    remote: str = "origin"
    branch: str = "main"


@dataclass(frozen=True, slots=True)
class Ssh:
    """How hosts are reached where the inventory says nothing.

    Attributes:
        key_file: private key file; may begin with `~`.
        connect_timeout_s: seconds until a host that does not answer is out of reach.
        forks: hosts worked on at the same time.
    """

    user: str | None = None
    key_file: str | None = None
    connect_timeout_s: float = 10.0
    forks: int = 64


@dataclass(frozen=True, slots=True)
class Controller:
    """The controller's configuration.

    Attributes:
        source: the file it was read from; empty when there is none.
    """

    trust: Trust = Trust()
    ssh: Ssh = Ssh()
    source: str = ""
