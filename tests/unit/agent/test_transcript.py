# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest

from fleetsched.agent.transcript import FILE, Transcript, replies
from fleetsched.errors import InputError
from fleetsched.secrets import HIDDEN


def test_records_are_lines_that_only_their_owner_can_read(tmp_path: Path) -> None:
    with Transcript(tmp_path / "run") as transcript:
        transcript.write("begin", system="be good")
        transcript.write("reply", message={"content": []}, usd="0.1")
    file = tmp_path / "run" / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"kind": "begin", "system": "be good"},
        {"kind": "reply", "message": {"content": []}, "usd": "0.1"},
    ]
    assert transcript.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert list(replies(file)) == [{"content": []}]


def test_secrets_are_not_recorded(tmp_path: Path) -> None:
    with Transcript(tmp_path) as transcript:
        transcript.write("tool", answer={"log": ["Authorization: Bearer abcdef", "sk-ant-" + "b" * 20]})
    assert (tmp_path / FILE).read_text().count(HIDDEN) == 2


def test_a_transcript_is_never_written_over_nor_through_a_link(tmp_path: Path) -> None:
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        Transcript(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("text", ["no json", "[]", '{"kind": "reply"}', "\xff"])
def test_what_is_no_transcript_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / FILE
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="is no transcript"):
        replies(file)
