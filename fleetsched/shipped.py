# SPDX-License-Identifier: Apache-2.0
"""Where the files are that come with fleetsched: headers, the helper, the catalogue, the reference fleet.

In an installed wheel they lie in the package, under `_data`; in a checkout beside it, where people edit them.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped_root() -> Path:
    """Return the folder that holds `bpf`, `policies`, `manifests` and the rest of what is shipped."""
    installed = _PACKAGE / "_data"
    return installed if installed.is_dir() else _PACKAGE.parent
