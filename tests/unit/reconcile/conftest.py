# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fleetsched.helper.simulated import SimulatedHost
from fleetsched.model.controller import Trust
from tests.unit.reconcile.fleet import NAMES, ReconciledFleet, write_fleet


@pytest.fixture(scope="session")
def fleet_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("reconciled")
    write_fleet(home)
    return home


@pytest.fixture
def fleet(
    fleet_template: Path, tmp_path: Path, own_git: None, monkeypatch: pytest.MonkeyPatch
) -> ReconciledFleet:
    shutil.copytree(fleet_template, tmp_path, dirs_exist_ok=True)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Alice")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "alice@example.invalid")
    hosts = {name: SimulatedHost(name, installed=False) for name in NAMES}
    return ReconciledFleet(tmp_path, hosts, Trust(remote=str(tmp_path / "origin.git")))
