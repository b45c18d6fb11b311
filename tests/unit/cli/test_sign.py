# SPDX-License-Identifier: Apache-2.0
"""`fleetsched sign`: what it refuses before it looks at any repository."""

from __future__ import annotations

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode


@pytest.mark.parametrize("validity", ["soon", "0h", "5", "-1h"])
def test_a_validity_is_a_duration(validity: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sign", "week.json", f"--for={validity}"]) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        f"fleetsched: --for {validity}: expected a duration such as 12h or 7d\n"
        "  see `fleetsched sign --help`\n"
    )
