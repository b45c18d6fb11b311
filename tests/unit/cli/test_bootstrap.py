# SPDX-License-Identifier: Apache-2.0
"""What `bootstrap` says about its own command line, before anything is read or asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from fleetsched.operations.init import init


@pytest.mark.parametrize("options", [[], ["--key", "fleet.pub", "--remove"]])
def test_it_either_gives_a_key_its_way_or_takes_it_away(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bootstrap", "web-1", *options]) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "fleetsched: give the fleet's public key with --key, or say --remove\n"
        "  see `fleetsched bootstrap --help`\n"
    )


def test_a_private_key_is_not_sent_to_hosts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    init(tmp_path / "fleet")
    monkeypatch.chdir(tmp_path / "fleet")
    (tmp_path / "fleet-key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n", encoding="utf-8")
    # Whoever asks a host fails the test.
    monkeypatch.setattr(
        "fleetsched.transport.by_host.ByHostTransport.connect", lambda *_: pytest.fail("asked")
    )
    assert main(["bootstrap", "web-1", "--key", "../fleet-key", "--yes"]) == ExitCode.ERROR
    assert capsys.readouterr().err == (
        "fleetsched: ../fleet-key is a private key, which stays where it is\n  give ../fleet-key.pub\n"
    )
