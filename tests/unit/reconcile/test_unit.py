# SPDX-License-Identifier: Apache-2.0
"""The reconciler's unit, as systemd itself reads it."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode

NAME = "fleetsched-reconcile.service"
MOST_EXPOSED = 20
"""In tenths, of 100; a unit without any confinement has 96."""

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there: systemd looks whether it can be executed."""
    text = (resources.files("fleetsched.reconcile") / NAME).read_text(encoding="utf-8")
    assert text.count("ExecStart=/opt/fleetsched/bin/fleetsched ") == 1
    file = tmp_path / NAME
    file.write_text(text.replace("/opt/fleetsched/bin/fleetsched", shutil.which("true") or ""))
    return file


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE
    return subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, check=False, timeout=120)


@needs_systemd
def test_systemd_understands_every_line_of_it(unit: Path) -> None:
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_a_word_that_systemd_does_not_know_would_be_seen(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectsHome="))
    assert "ProtectsHome" in analyze("verify", "--man=no", str(unit)).stderr


@needs_systemd
def test_it_may_do_little(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_what_it_starts_is_a_command_that_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string((resources.files("fleetsched.reconcile") / NAME).read_text(encoding="utf-8"))
    _, *arguments = parser["Service"]["ExecStart"].split()
    assert main([*arguments, "--help"]) == ExitCode.OK
    assert "status page" in capsys.readouterr().out
