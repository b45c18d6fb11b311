# SPDX-License-Identifier: Apache-2.0
"""The command as a process: its streams, its signals, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fleetsched

FLEETSCHED = f"{sys.executable} -m fleetsched"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell with `fleetsched` in it, as a person types it."""
    return subprocess.run(
        ["bash", "-c", line.replace("fleetsched ", f"{FLEETSCHED} ")],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_the_version_is_the_packages() -> None:
    answer = shell("fleetsched --version")
    assert (answer.returncode, answer.stdout, answer.stderr) == (
        0,
        f"fleetsched {fleetsched.__version__}\n",
        "",
    )


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        # The reader is gone before the second line is written.
        ("fleetsched policy show fair | true", [1, 0]),
        ("fleetsched --help >&-", [0]),
        ("fleetsched --no-such 2>&-", [64]),
        ("fleetsched --version <&- >&- 2>&-", [0]),
        ("fleetsched apply --help >/dev/full 2>&-", [1]),
    ],
)
def test_streams_that_nobody_reads_end_it_quietly(line: str, codes: list[int]) -> None:
    answer = shell(f'{line}; echo "${{PIPESTATUS[@]}}" >&2')
    assert answer.stderr == " ".join(map(str, codes)) + "\n"


def test_a_full_disk_behind_standard_output_is_named() -> None:
    answer = shell("fleetsched --help >/dev/full")
    assert (answer.returncode, answer.stderr) == (1, "fleetsched: No space left on device\n")


def test_an_encoding_that_lacks_a_letter_gets_a_question_mark(tmp_path: Path) -> None:
    folder = tmp_path / "größe"
    folder.mkdir()
    line = f"fleetsched policy add fair -C '{folder}' 2>&1"
    answer = shell(line, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert answer.returncode == 64
    assert answer.stdout.startswith(f"fleetsched: {tmp_path}/gr????e is no fleet repository")


def test_a_name_that_is_no_utf_8_can_be_printed() -> None:
    answer = shell("fleetsched plan -C $'/no\\xff' 2>&1", LC_ALL="C.UTF-8")
    assert (answer.returncode, answer.stdout.splitlines()[0]) == (
        64,
        "fleetsched: /no\\udcff is not a folder",
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["fleetsched.cli.main", "pydantic", "fleetsched.operations.catalogue"])
def test_an_interruption_is_130_without_a_traceback(moment: str, number: signal.Signals) -> None:
    # The signal comes at a known moment: when the named module is looked for.
    script = f"""
import os, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {moment!r}:
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Interrupt())
sys.argv = ["fleetsched", "policy", "list"]
from fleetsched.__main__ import run
run()
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "")
