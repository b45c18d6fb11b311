# SPDX-License-Identifier: Apache-2.0
"""`fleetsched report` as a shell sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from fleetsched.fleetrepo.evidence import write_evidence
from fleetsched.fleetrepo.load import load_lock
from tests.unit.experiments import evidence


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fleetsched.yaml").write_text("apiVersion: fleetsched/v1\n")
    monkeypatch.chdir(tmp_path)
    assert main(["policy", "add", "fair"]) == ExitCode.OK
    digest = load_lock(tmp_path / "policies" / "fair").variants["default"]
    write_evidence(tmp_path / "policies" / "fair", evidence(digest=digest))
    return tmp_path


def test_a_report_is_one_file(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["report", "fair"]) == ExitCode.OK
    assert capsys.readouterr().out == "wrote fair.html\n"
    assert '<h3 id="experiment-1">message-wakeups, Linux 7.2</h3>' in Path("fair.html").read_text()


def test_it_goes_where_it_should(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["report", "fair", "--output", "no/such/folder.html"]) == ExitCode.ERROR
    assert capsys.readouterr().err == (
        "fleetsched: no/such/folder.html cannot be written: No such file or directory\n"
    )
    assert main(["report", "fair", "-o", "page.html"]) == ExitCode.OK
    assert Path("page.html").is_file()


def test_outside_a_repository_the_catalogue_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", "interactive"]) == ExitCode.OK
    assert "<h1>interactive</h1>" in Path("interactive.html").read_text()
    assert main(["report", "interactive", "-C", "nowhere"]) == ExitCode.USAGE


def test_an_unknown_policy_is_an_error(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["report", "fare"]) == ExitCode.ERROR
    assert 'did you mean "fair"?' in capsys.readouterr().err
