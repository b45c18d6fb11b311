# SPDX-License-Identifier: Apache-2.0
"""What the build of the wheel adds to pyproject.toml: the prebuilt helpers under build/helpers, checked.

Without them (an editable installation, or pip building from the sources) the wheel is whole but for them, and
the helper is built when it is first needed. `make wheel` makes them first.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PREBUILT = Path("build", "helpers")


class PrebuiltHelpers(BuildHookInterface):  # type: ignore[type-arg] # hatchling's own hooks do not say it either
    """Puts build/helpers into the wheel, or stops the build when they come from other sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is put together."""
        root = Path(self.root)
        if version == "editable" or not (root / PREBUILT).is_dir():
            return
        sys.path.insert(0, str(root))
        try:
            from fleetsched.helper.prebuilt import check_prebuilt
        finally:
            sys.path.remove(str(root))
        check_prebuilt(root / PREBUILT, root / "bpf")
        build_data["force_include"][str(root / PREBUILT)] = "fleetsched/_data/helper"
