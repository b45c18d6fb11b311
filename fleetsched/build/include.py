# SPDX-License-Identifier: Apache-2.0
"""The headers that policies are written against: in the wheel, or beside the package in a checkout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fleetsched.errors import BuildError
from fleetsched.shipped import shipped_root

PREFIX = "bpf/include"
"""What messages, locks and objects call the folder, wherever it lies."""


def include_folder() -> Path:
    """Where the headers of this installation are."""
    return shipped_root() / PREFIX


def read_headers(folder: Path | None = None) -> Mapping[str, bytes]:
    """Read all headers, by names such as `bpf/include/fleetsched/policy.bpf.h`.

    Raises:
        BuildError: there are none.
    """
    folder = folder or include_folder()
    headers = {
        f"{PREFIX}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.glob("fleetsched/*.bpf.h"))
    }
    if not headers:
        raise BuildError(
            f"no headers for policies in {folder}",
            remedy="install fleetsched again; its files are not complete",
        )
    return headers
