# SPDX-License-Identifier: Apache-2.0
"""`python -m fleetsched.agent.scripted`, as a person starts it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import anthropic
import pytest

from fleetsched.agent.scripted.__main__ import main
from fleetsched.errors import ExitCode
from tests.unit.agent.playing import SCRIPTS

pytestmark = pytest.mark.served


@pytest.mark.parametrize(("played", "end"), [(True, signal.SIGINT), (False, signal.SIGTERM)])
def test_it_serves_until_interrupted_and_says_whether_all_was_played(
    played: bool, end: signal.Signals
) -> None:
    command = [sys.executable, "-m", "fleetsched.agent.scripted", str(SCRIPTS / "refused.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        name, _, url = line.removeprefix("export ").partition("=")
        assert name == "ANTHROPIC_BASE_URL"
        if played:
            with anthropic.Anthropic(api_key="any", base_url=url) as client:
                client.messages.create(
                    model="claude-sonnet-5-5", max_tokens=10, messages=[{"role": "user", "content": "hello"}]
                )
        process.send_signal(end)
        _, said = process.communicate()
    assert process.returncode == (ExitCode.OK if played else ExitCode.ERROR)
    assert said == ("" if played else "not every turn was played\n")


def test_what_is_no_script_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "script.yaml"
    file.write_text("name: a\nabout: b\nmodel: c\nturns: [{}]\n")
    assert main([str(file)]) == ExitCode.ERROR
    assert capsys.readouterr().err == f"{file}: turn 1 has to have `answer` or `fail`, and not both\n"
