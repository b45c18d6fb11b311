# SPDX-License-Identifier: Apache-2.0
"""Free ports on 127.0.0.1."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence

from fleetsched.errors import LabError

# Below Linux's range for outgoing connections: none of those takes a port between our look and its use.
RANGE = range(20000, 30000)


def free_ports(count: int, *, seed: int | None = None, candidates: Sequence[int] = RANGE) -> list[int]:
    """Ports that nothing listens on now. Chosen under the machine-wide lock, no two labs get the same.

    Args:
        count: how many.
        seed: where to look first; any place when None.
        candidates: where to look at all.

    Raises:
        LabError: fewer are free.
    """
    found: list[int] = []
    # Not for secrecy: it only keeps labs of machines that share an SSH configuration apart.
    for port in random.Random(seed).sample(candidates, len(candidates)):  # noqa: S311
        if len(found) == count:
            break
        if _is_free(port):
            found.append(port)
    if len(found) < count:
        raise LabError(
            f"only {len(found)} of {count} ports {candidates[0]} to {candidates[-1]} of 127.0.0.1 are free"
        )
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
