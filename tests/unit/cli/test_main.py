# SPDX-License-Identifier: Apache-2.0
"""The command line as a shell sees it: exit codes and messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "--forks", "0"], "Invalid value for '--forks'"),
        (["lab", "up", "--hosts", "0"], "--hosts 0: expected 1 to 32"),
        (["plan", "--repository", "/no/such/folder"], "/no/such/folder is not a folder"),
    ],
)
def test_a_value_that_makes_no_sense_is_64(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == ExitCode.USAGE
    assert said in capsys.readouterr().err


def test_command_outside_a_fleet_repository_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["plan"]) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        f"fleetsched: no fleet repository here: neither {tmp_path} nor a folder above it has "
        "fleetsched.yaml\n"
        "  make one with `fleetsched init FOLDER`, or name one with --repository\n"
        "  see `fleetsched plan --help`\n"
    )


def test_broken_files_are_named_one_a_line_without_anything_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "fleet")]) == ExitCode.OK
    capsys.readouterr()
    (tmp_path / "fleet" / "manifests" / "more.yaml").write_text("kind: Nonsense\n\tx: 1\n")

    assert main(["validate", "-C", str(tmp_path / "fleet")]) == ExitCode.ERROR
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["manifests/more.yaml"] * len(lines)
    assert lines[0].startswith("manifests/more.yaml:2:1: ")


def test_plan_of_hosts_that_are_down_is_4_and_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "fleet"
    main(["init", str(root)])
    capsys.readouterr()
    (root / "inventory" / "lab.yaml").write_text(
        # Port 1 of loopback: refused at once, everywhere.
        "lab:\n  hosts:\n    lab-1: {ansible_host: 127.0.0.1, ansible_port: 1}\n"
    )

    assert main(["plan", "-C", str(root)]) == ExitCode.UNREACHABLE
    printed = capsys.readouterr().out
    assert "? lab-1: unknown, wants fair@" in printed
    assert "nothing listens on 127.0.0.1:1" in printed


def test_apply_without_anybody_to_ask_wants_yes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "fleet"
    main(["init", str(root)])
    (root / "inventory" / "lab.yaml").write_text("lab:\n  hosts:\n    here: {ansible_connection: local}\n")

    code = main(["apply", "-C", str(root)])

    assert code == ExitCode.REFUSED
    assert "NOT APPROVED: no-commit" in capsys.readouterr().err
