# SPDX-License-Identifier: Apache-2.0
"""The wheel as a user gets it: built as `make wheel` does, and installed where nothing of the checkout is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetsched.helper.build import write_prebuilt

PROJECT = Path(__file__).resolve().parents[2]
HELPERS = PROJECT / "build" / "helpers"


@dataclass(frozen=True)
class Distributions:
    """What was built."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The wheel with its helpers (from the cache, when they were built before), and the sdist."""
    shutil.rmtree(HELPERS, ignore_errors=True)
    write_prebuilt(HELPERS)
    return build(PROJECT, tmp_path_factory.mktemp("dist"))


def build(source: Path, target: Path) -> Distributions:
    """Build wheel and sdist of a source tree."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(target)],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=600,
    )
    (wheel,), (sdist,) = target.glob("*.whl"), target.glob("*.tar.gz")
    return Distributions(wheel, sdist)


@dataclass(frozen=True)
class Installation:
    """An environment with fleetsched in it, used from a folder outside the checkout."""

    environment: Path
    home: Path
    wheel: Path

    def run(self, *arguments: str, expect: int = 0, cwd: Path | None = None) -> str:
        """Run `fleetsched`, check its exit code, and return what it printed."""
        answer = self._run([str(self.environment / "bin" / "fleetsched"), *arguments], cwd)
        assert answer.returncode == expect, f"{arguments}: {answer.returncode}\n{answer.stdout}"
        return answer.stdout

    def python(self, code: str) -> str:
        """Run a line of Python in it and return what it printed."""
        answer = self._run([str(self.environment / "bin" / "python"), "-c", code], None)
        assert answer.returncode == 0, answer.stdout
        return answer.stdout.strip()

    def install(self, extras: str = "") -> None:
        """Install the wheel, from pip's configured index and its cache."""
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        python = str(self.environment / "bin" / "python")
        subprocess.run(
            [*pip, "--python", python, "install", f"fleetsched{extras} @ {self.wheel.as_uri()}"],
            cwd=self.home,
            check=True,
            timeout=600,
        )

    def _run(self, argv: list[str], cwd: Path | None) -> subprocess.CompletedProcess[str]:
        without = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
        return subprocess.run(
            argv,
            cwd=cwd or self.home,
            env={name: value for name, value in os.environ.items() if name not in without},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )


@pytest.fixture(scope="session")
def plain(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel without its extras."""
    home = tmp_path_factory.mktemp("outside")
    venv.create(home / "environment", with_pip=False)
    installation = Installation(home / "environment", home, distributions.wheel)
    installation.install()
    return installation


@pytest.fixture(scope="session")
def complete(plain: Installation) -> Installation:
    """The same with the compiler; what uses `plain` has to come before it."""
    plain.install("[build]")
    return plain
