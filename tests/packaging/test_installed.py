# SPDX-License-Identifier: Apache-2.0
"""The main job with nothing but what `pip install` brings: no checkout, no compiler for the helper."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetsched.lab.lock import machine_lock
from tests.packaging.conftest import PROJECT, Installation

pytestmark = pytest.mark.lab

LAB = f"packaging-{os.getpid()}"
NOWHERE = 'lab: {hosts: {"lab-1": {ansible_host: 127.0.0.1, ansible_port: 1}}}\n'


def new_fleet(installation: Installation, name: str) -> Path:
    folder = installation.home / name
    installation.run("init", str(folder))
    (folder / "inventory" / "lab.yaml").write_text(NOWHERE)
    return folder


def test_without_extras_everything_but_compiling_works(plain: Installation) -> None:
    folder = new_fleet(plain, "plain")
    assert "? lab-1: unknown, wants fair@" in plain.run("plan", cwd=folder, expect=4)
    assert "interactive" in plain.run("policy", "list", cwd=folder)
    said = plain.run("lock", cwd=folder, expect=1)
    assert said.endswith("pip install 'fleetsched[build]'\n")


def test_nothing_of_the_checkout_is_used(plain: Installation) -> None:
    packages = Path(plain.python("import fleetsched; print(fleetsched.__file__)")).parent.parent
    assert packages.is_relative_to(plain.environment)
    shipped = Path(plain.python("from fleetsched.shipped import shipped_root as r; print(r())"))
    assert shipped == packages / "fleetsched" / "_data"
    assert str(PROJECT) not in plain.python("import sys; print(sys.path)")


@pytest.mark.parametrize("arch", ["aarch64", "x86_64"])
def test_the_helper_comes_with_the_wheel(plain: Installation, arch: str) -> None:
    found = plain.python(f"from fleetsched.helper.build import find_helper; print(find_helper('{arch}'))")
    assert Path(found).is_relative_to(plain.environment)


@pytest.fixture
def fleet(complete: Installation) -> Iterator[Path]:
    """A fleet repository with a lab of one host."""
    folder = complete.home / "fleet"
    complete.run("init", str(folder))
    with machine_lock(print):
        try:
            complete.run("lab", "up", "--name", LAB, "--hosts", "1", cwd=folder)
            yield folder
        finally:
            complete.run("lab", "down", "--name", LAB)


@pytest.mark.timeout(3600)  # of which it waits until no other lab of this machine is up
def test_a_policy_gets_onto_a_real_host(complete: Installation, fleet: Path) -> None:
    assert "valid: 1 goal," in complete.run("validate", cwd=fleet)
    assert "fair: default" in complete.run("lock", "--check", cwd=fleet)
    complete.run("policy", "add", "interactive", cwd=fleet)
    complete.run("lock", "--check", "interactive", cwd=fleet)
    plan = complete.run("plan", "--detailed-exitcode", cwd=fleet, expect=2)
    assert "lab-1: install-helper, attach: the kernel's scheduler -> fair@" in plan
    applied = complete.run("apply", "--unreviewed", "--yes", cwd=fleet)
    assert "confirmed: fair@" in applied
    assert "lab-1  enabled fair" in complete.run("status", cwd=fleet)
    ops = subprocess.run(
        [complete.environment / "bin" / "fleetsched", "lab", "ssh", "--name", LAB, "lab-1", "--",
         "cat /sys/kernel/sched_ext/root/ops"],
        check=True, capture_output=True, text=True, timeout=120, cwd=fleet,
    )  # fmt: skip
    assert ops.stdout == "fair\n"
    complete.run("plan", "--detailed-exitcode", cwd=fleet)
