# SPDX-License-Identifier: Apache-2.0
"""What people have written to files they name appears whole, pipes stay pipes; reading has an end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from fleetsched.errors import InputError
from fleetsched.operations.files import read_bounded, write_whole


def test_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"old")
    write_whole(tmp_path / "state", b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"state": b"new"}


def test_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("state")
    write_whole(tmp_path / "link", b"new")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "state").read_bytes()) == (True, b"new")


def test_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_whole(tmp_path / "pipe", b"new")
    reader.join(10)
    assert (got, (tmp_path / "pipe").is_fifo()) == ([b"new"], True)


def test_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "no" / "state", b"new")


def test_what_is_read_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "plan"
    file.write_bytes(b"x" * 1000)
    assert read_bounded(file, 1000) == b"x" * 1000
    with pytest.raises(InputError, match=f"^{file} is larger than 999 bytes$"):
        read_bounded(file, 999)


def test_what_has_no_end_is_too_large() -> None:
    with pytest.raises(InputError, match="/dev/zero is larger than 1,000 bytes"):
        read_bounded(Path("/dev/zero"), 1000)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{tmp_path}/plan cannot be read: No such file or directory$"):
        read_bounded(tmp_path / "plan", 1000)
