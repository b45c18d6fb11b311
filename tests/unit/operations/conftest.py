# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.helper.simulated import SimulatedHost
from fleetsched.operations.init import init
from tests.unit.operations.controller import NAMES, Controller


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    root = tmp_path / "fleet"
    init(root)
    lines = "".join(f"        {name}:\n" for name in NAMES)
    (root / "inventory" / "lab.yaml").write_text(f"all:\n  children:\n    lab:\n      hosts:\n{lines}")
    return Controller(root, {name: SimulatedHost(name, installed=False) for name in NAMES})
