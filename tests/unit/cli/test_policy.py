# SPDX-License-Identifier: Apache-2.0
"""`fleetsched policy` as a shell sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode

CATALOGUE = sorted(file.parent.name for file in Path(__file__).parents[3].glob("policies/*/policy.yaml"))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fleetsched.yaml").write_text("apiVersion: fleetsched/v1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_catalogue_can_be_read_outside_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["policy", "list"]) == ExitCode.OK
    listed = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(listed) if line.split() == ["fair", "kernel", ">=6.12"])
    assert listed[at + 1] == "    weighted virtual time over one queue; every task gets its share"
    assert main(["policy", "show", "fair"]) == ExitCode.OK
    assert "slice_us: 5000 us (u64, 250 to 20000)" in capsys.readouterr().out
    assert main(["policy", "add", "fair"]) == ExitCode.USAGE


def test_an_added_policy_is_listed_as_the_repositorys(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "add", "fair"]) == ExitCode.OK
    folder = repository / "policies" / "fair"
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {folder / 'policy.yaml'}",
        f"wrote {folder / 'fair.bpf.c'}",
        f"wrote {folder / 'policy.lock.yaml'}",
        f"wrote {folder / 'README.md'}",
        "next: bind it in a goal, `policy: {name: fair}`, then `fleetsched validate`",
    ]
    assert main(["policy", "add", "fair"]) == ExitCode.OK
    assert capsys.readouterr().out == f"{folder} is there already, the same as the catalogue's\n"
    (folder / "fair.bpf.c").write_text("mine\n")
    assert main(["policy", "list", "--json"]) == ExitCode.OK
    _, *records = map(json.loads, capsys.readouterr().out.splitlines())
    found = {record["name"]: record["repository"] for record in records}
    assert (found.pop("fair"), set(found.values())) == ("differs", {"absent"})
    assert main(["policy", "add", "fair"]) == ExitCode.ERROR


def test_a_folder_that_is_no_repository_gets_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "add", "fair", "-C", str(tmp_path)]) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        f"fleetsched: {tmp_path} is no fleet repository: it has no fleetsched.yaml\n"
        "  see `fleetsched policy add --help`\n"
    )
    assert list(tmp_path.iterdir()) == []
